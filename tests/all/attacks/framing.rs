//! C8: requests whose end a proxy and this server could see in different places, and what the HTTP library refuses.

use super::wire::exchange;
use crate::server::TestServer;

const HOST: &str = "Host: x\r\n";

/// How many answers there are: each has an id.
fn answers(text: &str) -> usize {
    text.matches("x-request-id: ").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_ambiguous_requests_are_refused_explained_and_counted() {
    let server = TestServer::start(|_| ()).await;
    let long = format!(
        "GET /livez HTTP/1.1\r\n{HOST}a: {}\r\n\r\n",
        "b".repeat(40_000)
    );
    let target = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "b".repeat(40_000));
    let many = format!(
        "GET /livez HTTP/1.1\r\n{HOST}{}\r\n",
        "a: b\r\n".repeat(150)
    );
    for (status, code, request) in [
        (
            400,
            "framing_invalid",
            format!(
                "POST /predict HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n{HOST}\r\n"
            ),
        ),
        (
            400,
            "framing_invalid",
            format!(
                "POST /predict HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            400,
            "framing_invalid",
            format!(
                "POST /predict HTTP/1.1\r\n{HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"
            ),
        ),
        (
            400,
            "framing_invalid",
            format!("POST /predict HTTP/1.1\r\n{HOST}Content-Length: -5\r\n\r\nhello"),
        ),
        (
            400,
            "framing_invalid",
            format!(
                "POST /predict HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            400,
            "framing_invalid",
            format!("POST /predict HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (400, "host_invalid", "GET /livez HTTP/1.1\r\n\r\n".into()),
        (
            400,
            "host_invalid",
            format!("GET /livez HTTP/1.1\r\n{HOST}{HOST}\r\n"),
        ),
        (
            400,
            "host_invalid",
            format!("GET /livez HTTP/1.1\r\n{HOST}Host: y\r\n\r\n"),
        ),
        (
            400,
            "host_invalid",
            "GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n".into(),
        ),
        (
            400,
            "head_invalid",
            "GET /livez HTTP/1.1\nHost: x\n\n".into(),
        ),
        (
            400,
            "head_invalid",
            "GET /livez HTTP/1.1\r\nHost: x\n\r\n".into(),
        ),
        (
            400,
            "head_invalid",
            "GET /livez HTTP/1.1\r\nHost: x\r\n\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        ),
        (
            400,
            "head_invalid",
            "GET /livez HTTP/1.1\rHost: x\r\r\n\r\n".into(),
        ),
        (
            400,
            "head_invalid",
            "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n".into(),
        ),
        (
            400,
            "head_invalid",
            format!("GET /livez HTTP/1.1\r\n{HOST}a: b\r\n c\r\n\r\n"),
        ),
        (
            400,
            "head_invalid",
            format!("GET /livez HTTP/3.0\r\n{HOST}\r\n"),
        ),
        (
            400,
            "head_invalid",
            format!("GET /li vez HTTP/1.1\r\n{HOST}\r\n"),
        ),
        (
            400,
            "head_invalid",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n\r\n".into(),
        ),
        (
            405,
            "method_not_allowed",
            format!("CONNECT x:80 HTTP/1.1\r\n{HOST}\r\n"),
        ),
        (431, "head_too_large", long),
        (431, "head_too_large", target),
        (431, "head_too_large", many),
    ] {
        let counter = format!("stillhouse_refusals_total{{reason=\"{code}\"}}");
        let before = server.metric(&counter).await;
        let answer = exchange(server.data, request.as_bytes()).await;
        let start: String = request.chars().take(100).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{start:?}: {answer}"
        );
        assert!(
            answer.contains(&format!("\"code\":\"{code}\"")),
            "{start:?}: {answer}"
        );
        assert!(
            answer.contains("connection: close") && answer.contains("x-request-id: "),
            "{answer}"
        );
        assert_eq!(answers(&answer), 1, "{start:?}: nothing follows: {answer}");
        assert_eq!(server.metric(&counter).await, before + 1.0, "{start:?}");
    }
    server.assert_well().await;
}

/// The requests before a refused one are answered, nothing after it is.
#[tokio::test(flavor = "multi_thread")]
async fn c8_a_refusal_stands_in_its_place() {
    let server = TestServer::start(|_| ()).await;
    let good = format!("GET /livez HTTP/1.1\r\n{HOST}\r\n");
    let chunked = format!(
        "POST /nowhere HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let sized = format!("POST /nowhere HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello");
    let bad = "GET /livez HTTP/1.1\r\n\r\n";
    let request = [&good, &chunked, &sized, &good, bad, &good].concat();
    for piece in [1, 7, 4096] {
        let mut stream = super::wire::connect(server.data).await;
        for part in request.as_bytes().chunks(piece) {
            // The server may have closed after the refusal.
            if tokio::io::AsyncWriteExt::write_all(&mut stream, part)
                .await
                .is_err()
            {
                break;
            }
        }
        let answers = super::wire::until_closed(&mut stream).await;
        assert_eq!(self::answers(&answers), 5, "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 404").count(), 2, "{answers}");
        let last = answers.rfind("HTTP/1.1 400").expect("an answer");
        assert!(answers[last..].contains("\"host_invalid\""), "{answers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_a_broken_chunk_ends_the_connection() {
    let server = TestServer::start(|_| ()).await;
    for body in [
        "zz\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
    ] {
        let request = format!(
            "POST /predict HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{body}GET /livez HTTP/1.1\r\n{HOST}\r\n"
        );
        let answer = exchange(server.data, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("\"body_broken\""),
            "{body:?}: {answer}"
        );
        assert_eq!(answers(&answer), 1, "{body:?}: {answer}");
    }
    server.assert_well().await;
}
