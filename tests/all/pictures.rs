//! Bad pictures as a client sees them: status and code. The decoding of good ones is tested beside the decoder.

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

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
