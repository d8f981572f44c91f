//! C9 and C10: forms and JSON as real programs write them.

use base64::Engine;
use serde_json::Value;

use crate::{
    server::TestServer,
    toy::{SIDE, gray_png},
};

/// A part: its disposition and other headers, and its content.
type Part<'a> = (&'a str, &'a [u8]);

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend(format!("--XX\r\nContent-Disposition: form-data; {headers}\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

async fn answered(server: &TestServer, path: &str, parts: &[Part<'_>]) -> (u16, Value) {
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    let reply = server.post(path, form(parts), &kind).await;
    (reply.status, reply.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_only_files_are_pictures() {
    let server = TestServer::start(|_| ()).await;
    let (bright, dark) = (gray_png(SIDE, 250), gray_png(SIDE, 0));
    let file = "name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png";
    let empty = "name=\"second\"; filename=\"\"\r\nContent-Type: application/octet-stream";
    let (status, one) = answered(
        &server,
        "/predict",
        &[
            ("name=\"title\"", b"my shoe"),
            ("name=\"top_k\"", b"2"),
            (file, &bright),
            (empty, b""),
            ("name=\"submit\"", b"Send"),
        ],
    )
    .await;
    assert_eq!(status, 200, "{one}");
    assert_eq!(one["predictions"][0]["label"], "bright", "{one}");
    assert_eq!(
        one["predictions"].as_array().map(Vec::len),
        Some(2),
        "{one}"
    );

    let (_, two) = answered(
        &server,
        "/predict?top_k=1",
        &[
            (file, &dark),
            (
                "name=\"note\"\r\nContent-Type: text/plain; charset=utf-8",
                b"x",
            ),
            ("name=\"top_k\"", b"3"),
            (file, &bright),
        ],
    )
    .await;
    let labels = |at: usize| two["results"][at]["predictions"][0]["label"].clone();
    assert_eq!(two["results"].as_array().map(Vec::len), Some(2), "{two}");
    assert_eq!((labels(0), labels(1)), ("dark".into(), "bright".into()));
    // The query stands above the form.
    assert_eq!(
        two["results"][0]["predictions"].as_array().map(Vec::len),
        Some(1)
    );

    // Pictures without a file's name, as some programs send them.
    for headers in [
        "name=\"image\"",
        "name=\"image\"\r\nContent-Type: image/png",
        "name=\"image\"\r\nContent-Type: application/octet-stream",
    ] {
        let (status, one) = answered(&server, "/predict", &[(headers, &bright)]).await;
        assert_eq!(
            (status, &one["predictions"][0]["label"]),
            (200, &"bright".into()),
            "{headers}: {one}"
        );
    }
    for (parts, code) in [
        (
            vec![("name=\"a\"", &b"text"[..]), (empty, b"")],
            "no_picture",
        ),
        (
            vec![(file, &bright[..]), ("name=\"top_k\"", b"many")],
            "form_option_invalid",
        ),
        (
            vec![(file, &bright[..]), ("name=\"top_k\"", b"9")],
            "top_k_out_of_range",
        ),
        (vec![(file, b"")], "body_empty"),
    ] {
        let (status, problem) = answered(&server, "/predict", &parts).await;
        assert_eq!((status, &problem["code"]), (400, &code.into()), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_json_is_read_as_it_is_written() {
    let server = TestServer::start(|_| ()).await;
    let standard = base64::engine::general_purpose::STANDARD.encode(gray_png(SIDE, 250));
    let lines: Vec<&str> = standard
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("ASCII"))
        .collect();
    for b64 in [
        standard.clone(),
        standard.replace('+', "-").replace('/', "_"),
        standard.trim_end_matches('=').to_owned(),
        format!("data:image/png;base64,{standard}"),
        lines.join("\r\n"),
        lines.join("\n") + "\n",
    ] {
        let json = serde_json::json!({ "instances": [{ "b64": b64 }] }).to_string();
        for text in [
            json.clone(),
            format!("\u{feff}{json}"),
            format!("\r\n {json}\n"),
        ] {
            let reply = server.predict(text).await;
            assert_eq!(reply.status, 200, "{b64}: {}", reply.text);
            assert_eq!(
                reply.json()["results"][0]["predictions"][0]["label"],
                "bright"
            );
        }
    }
    let wrong = serde_json::json!({ "instances": [{ "b64": "AAAA" }, { "b64": "AA*A" }] });
    let reply = server.predict(wrong.to_string()).await;
    let error = &reply.json()["results"][1]["error"];
    assert_eq!(error["code"], "base64_invalid");
    let detail = error["detail"].as_str().expect("text");
    assert!(
        detail.contains("instance 1") && detail.contains("`*` at position 2"),
        "{detail}"
    );
}
