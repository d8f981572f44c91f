//! Changes of the models, as server-sent events.

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse::control::Arrivals;

use super::{always, loading::packed};
use crate::{
    server::{Reply, TestServer},
    toy::write_version,
};

/// An open stream of events.
struct Stream {
    response: reqwest::Response,
    received: String,
}

/// One event as it was received.
#[derive(Debug)]
struct Received {
    name: String,
    id: u64,
    data: Value,
}

impl Stream {
    async fn open(server: &TestServer, after: Option<u64>) -> Self {
        let headers = after.map(|after| ("last-event-id", after.to_string()));
        let response = request(server, headers.as_ref().map(|(name, id)| (*name, &**id))).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            received: String::new(),
        }
    }

    /// The next event; none at a clean end of the stream.
    async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some((frame, rest)) = self.received.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.received = rest;
                // Comments keep the connection alive.
                if !frame.starts_with(':') {
                    return Some(received(&frame));
                }
                continue;
            }
            let chunk = self.response.chunk().await.expect("not cut off")?;
            self.received += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// The next event that isn't about evidence; those come whenever the judge has looked.
    async fn next_order(&mut self) -> Received {
        loop {
            let event = self.next().await.expect("open");
            if event.name != "evidence" {
                return event;
            }
        }
    }
}

fn received(frame: &str) -> Received {
    let field = |name: &str| {
        let mut lines = frame.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name}: {frame}"))
    };
    Received {
        name: field("event").into(),
        id: field("id").parse().expect("a number"),
        data: serde_json::from_str(field("data")).expect("JSON"),
    }
}

async fn request(server: &TestServer, header: Option<(&str, &str)>) -> reqwest::Response {
    let mut request = server
        .client
        .get(format!("http://{}/admin/events", server.admin));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    request.send().await.expect("an answer")
}

async fn fleet() -> TestServer {
    TestServer::fleet(vec![("v1", always(0)), ("v2", always(1))], |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_numbered_events_and_a_reader_resumes_where_it_was() {
    let server = fleet().await;
    let mut stream = Stream::open(&server, None).await;
    let start = json!({"version": "v2", "share": "10%", "reason": "try it"});
    assert_eq!(server.order("POST", "canary", start).await.status, 200);
    let loaded = stream.next_order().await;
    assert_eq!(
        (&*loaded.name, &loaded.data["version"]),
        ("loaded", &json!("v2"))
    );
    let deployed = stream.next_order().await;
    assert_eq!((&*deployed.name, deployed.id), ("deployed", loaded.id + 1));
    let data = &deployed.data;
    assert_eq!(
        [
            &data["event"],
            &data["number"],
            &data["model"],
            &data["action"],
            &data["reason"]
        ],
        [
            &json!("deployed"),
            &json!(deployed.id),
            &json!("toy"),
            &json!("start_canary"),
            &json!("try it")
        ]
    );
    assert_eq!(data["before"]["canary"], Value::Null);
    assert_eq!(
        (&data["after"]["canary"], &data["after"]["generation"]),
        (&json!("v2"), &json!(2))
    );
    // The judge publishes the evidence as soon as it has looked.
    let evidence = loop {
        let event = stream.next().await.expect("open");
        if event.name == "evidence" {
            break event;
        }
    };
    assert_eq!(evidence.data["report"]["canary"], "v2");
    drop(stream);

    server.order("PUT", "split", json!({"canary": "20%"})).await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": 1}))
        .await
        .assert_problem(409, "canary_exists");
    server.order("POST", "abort", json!({})).await;
    let mut resumed = Stream::open(&server, Some(deployed.id)).await;
    let mut last = deployed.id;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = resumed.next().await.expect("open");
        assert_eq!(event.id, last + 1, "none is missing: {event:?}");
        last = event.id;
        if event.name != "evidence" {
            seen.push(format!("{} {}", event.name, event.data["action"]));
        }
    }
    assert_eq!(
        seen,
        [
            "deployed \"set_split\"",
            "refused \"start_canary\"",
            "deployed \"abort\""
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_has_missed_for_good_is_a_gap() {
    let server = fleet().await;
    let mut stream = Stream::open(&server, Some(7)).await;
    let gap = stream.next().await.expect("open");
    assert_eq!((&*gap.name, &gap.data["after"]), ("gap", &json!(7)));
    let teacher = json!({"version": "v2"});
    assert_eq!(server.order("PUT", "teacher", teacher).await.status, 200);
    assert_eq!(stream.next_order().await.id, gap.data["next"]);

    let reply = Reply::of(request(&server, Some(("last-event-id", "yesterday"))).await).await;
    reply.assert_problem(400, "last_event_id_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_and_end_with_the_server() {
    let mut server = fleet().await;
    let mut streams = Vec::new();
    let refused = loop {
        let response = request(&server, None).await;
        if response.status() != 200 {
            break Reply::of(response).await;
        }
        streams.push(Stream {
            response,
            received: String::new(),
        });
    };
    refused.assert_problem(503, "too_many_event_streams");
    assert!(streams.len() >= 8, "only {} streams", streams.len());
    server.begin_stop();
    for mut stream in streams {
        assert!(stream.next().await.is_none(), "ended, not cut off");
    }
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_arrives_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = vec![("v1", always(0))];
    let server = TestServer::fleet_in(folder.path(), versions, |config| {
        config.loading.on_arrival = Arrivals::Load;
    })
    .await;
    let mut stream = Stream::open(&server, None).await;
    // The script knows only the bytes of v1; another version may have the same network.
    let elsewhere = tempfile::tempdir().expect("a folder");
    write_version(elsewhere.path(), "v1", Bytes::from_static(b"v1"), vec![]);
    let archive = packed(&elsewhere.path().join("toy/v1"));
    let url = format!("http://{}/admin/models/toy/versions/v2", server.admin);
    let uploaded = server.client.put(url).body(archive).send().await;
    assert_eq!(uploaded.expect("an answer").status(), 201);
    let mut seen = Vec::new();
    // If the watch had found v2 as well, its event would have come before v3's, or with it.
    while seen.last().is_none_or(|last| last != "loaded v3") {
        let event = stream.next().await.expect("open");
        seen.push(format!(
            "{} {}",
            event.name,
            event.data["version"].as_str().unwrap_or_default()
        ));
        if seen.len() == 2 {
            let models = folder.path().join("models");
            write_version(&models, "v3", Bytes::from_static(b"v1"), vec![]);
        }
    }
    assert_eq!(seen, ["arrived v2", "loaded v2", "arrived v3", "loaded v3"]);
}
