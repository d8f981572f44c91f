//! Bad pictures as a client sees them: status and code. The decoding of good ones is tested beside the decoder.

use base64::Engine as _;

use crate::{
    server::TestServer,
    toy::{SIDE, gray_png, png},
};

#[tokio::test(flavor = "multi_thread")]
async fn bad_pictures_are_refused_with_their_reason() {
    let server = TestServer::start(|_| ()).await;
    let good = gray_png(64, 9);
    let mut wrong_crc = good.clone();
    let last = wrong_crc.len() - 20;
    wrong_crc[last] ^= 0xff;
    let mut huge = good.clone();
    huge[16..20].copy_from_slice(&50_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&50_000u32.to_be_bytes());
    // The header's own checksum must be right, or the size is not used.
    let crc = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    for (name, body, status, code) in [
        (
            "truncated",
            good[..good.len() / 2].to_vec(),
            422,
            "image_corrupt",
        ),
        ("wrong CRC", wrong_crc, 422, "image_corrupt"),
        ("50 000 x 50 000", huge, 413, "image_too_many_pixels"),
        (
            "SVG",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            415,
            "image_format_unsupported",
        ),
        (
            "TIFF",
            b"II*\0\x08\0\0\0\0\0\0\0".to_vec(),
            415,
            "image_format_unsupported",
        ),
        (
            "GIF",
            b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
            415,
            "image_format_unsupported",
        ),
        (
            "noise",
            (0..=255).collect(),
            415,
            "image_format_unsupported",
        ),
    ] {
        let reply = server
            .post("/predict", body, &[("content-type", "image/png")])
            .await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text);
        reply.assert_problem(status, code);
    }
    let invalid = "stillhouse_requests_total{model=\"toy\",outcome=\"invalid\",role=\"stable\",version=\"v1\"}";
    assert_eq!(server.metric(invalid).await, 7.0);
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_odd_pictures_are_answered() {
    let server = TestServer::start(|_| ()).await;
    for (body, label) in [
        (gray_png(1, 255), "bright"),
        (gray_png(2000, 0), "dark"), // beyond what is decoded inline
        (png(1, 3000, png::ColorType::Rgb, &[255; 9000]), "bright"),
        (png(SIDE, SIDE, png::ColorType::Rgba, &[0; 64]), "bright"), // transparent: white shows through
    ] {
        let reply = server.predict(body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.json()["predictions"][0]["label"], label);
    }
}

/// Pictures as JSON's instances.
fn instances(pictures: &[Vec<u8>]) -> Vec<u8> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let instance = |picture: &Vec<u8>| serde_json::json!({ "b64": base64.encode(picture) });
    let instances: Vec<_> = pictures.iter().map(instance).collect();
    serde_json::json!({ "instances": instances })
        .to_string()
        .into_bytes()
}

/// A few bytes that are many pixels: refused by their headers, each alone or all together.
#[tokio::test(flavor = "multi_thread")]
async fn c2_pixels_are_summed_before_the_first_picture_is_decoded() {
    let server = TestServer::start(|config| {
        config.requests.max_pixels = 3_000_000;
        config.image.max_pixels = 2_000_000;
    })
    .await;
    let json = [("content-type", "application/json")];
    let megapixel = gray_png(1000, 255);
    for (pictures, status) in [(1, 200), (3, 200), (4, 413)] {
        let body = instances(&vec![megapixel.clone(); pictures]);
        let reply = server.post("/predict", body, &json).await;
        assert_eq!(reply.status, status, "{pictures} pictures: {}", reply.text);
        if status == 413 {
            reply.assert_problem(413, "too_many_pixels");
        }
    }
    // A WebP of 49 megapixels in 34 bytes; alone it is beyond what a byte can be worth.
    let bits = 6999_u32 | 6999 << 14;
    let content = [
        &[0x2f][..],
        &bits.to_le_bytes(),
        &[0x88, 0x88, 0x08, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let bomb = [b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0".to_vec(), content].concat();
    let reply = server.predict(bomb.clone()).await;
    reply.assert_problem(413, "image_too_many_pixels");
    let reply = server
        .post("/predict", instances(&vec![bomb; 64]), &json)
        .await;
    assert_eq!(reply.status, 413, "{}", reply.text);
    server.assert_well().await;
}

/// 760 000 Huffman tables around 28 × 28 pixels: refused after a thousand of them.
#[tokio::test(flavor = "multi_thread")]
async fn c3_segments_are_bounded() {
    let server = TestServer::start(|_| ()).await;
    let gray = include_bytes!("../../crates/image/tests/fixtures/images/gray_baseline.jpg");
    let tables = [
        &[0xff, 0xc4, 0xff, 0xfd][..],
        &[&[0][..], &[0; 16]].concat().repeat(3855)[..65_531],
    ]
    .concat();
    let body = [&gray[..2], &tables.repeat(197), &gray[2..]].concat();
    let reply = server.predict(body).await;
    reply.assert_problem(422, "image_too_many_segments");
    server.assert_well().await;
}

/// The same answer or refusal in every build of the decoders.
#[tokio::test(flavor = "multi_thread")]
async fn a_pictures_that_were_found_are_answered_as_what_they_are() {
    let server = TestServer::start(|_| ()).await;
    let read = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/");
        std::fs::read(format!("{path}{name}")).unwrap()
    };
    for (name, status) in [
        ("jpeg/j_extra_gray28.jpg", 200),
        ("jpeg/j_gray28.jpg", 200),
        ("jpeg/j_cut_eoi.jpg", 422),
        ("jpeg/j_restart_lost.jpg", 422),
        ("jpeg/j_sos_samsung.jpg", 200),
        ("jpeg/j_jfif_2_01.jpg", 200),
        ("jpeg/j_no_dht.jpg", 200),
        ("jpeg/j_exif6_long.jpg", 200),
        ("png/p_apng1.png", 200),
        ("webp/w_exif_flag_none.webp", 200),
    ] {
        let reply = server.predict(read(name)).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text);
    }
    let odd = server.predict(read("jpeg/j_extra_gray28.jpg")).await.json();
    let plain = server.predict(read("jpeg/j_gray28.jpg")).await.json();
    assert_eq!(odd["predictions"], plain["predictions"]);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
