//! Evidence that outlives its process: a clean end, a kill, another configuration.

use serde_json::{Value, json};
use stillhouse::config::Config;
use stillhouse_engine::Backend;

use super::{PAIRS, by_number, everything, picture, send, trial};
use crate::{
    process::{Process, repository},
    rollout::always,
    server::TestServer,
};

async fn begin(server: &TestServer) {
    let order = json!({"version": "v2", "share": 0});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_clean_restart_goes_on_with_the_same_evidence() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = || {
        let canary = by_number(|n| usize::from(n % 10 == 0));
        vec![("v1", always(0)), ("v2", canary), ("t", always(0))]
    };
    let mut server = TestServer::fleet_in(folder.path(), versions(), everything).await;
    begin(&server).await;
    send(&server, 0..120).await;
    server.until(PAIRS, 120.0).await;
    let before = trial(&server, 120).await;
    server.begin_stop();
    server.ended().await;

    let mut server = TestServer::fleet_in(folder.path(), versions(), everything).await;
    let after = trial(&server, 120).await;
    assert_same(&after["metrics"], &before["metrics"]);
    assert_eq!(after["evidence_lost"], false);
    assert_eq!(after["presumed_lost_pairs"], 0);
    let age = |trial: &Value| trial["age_seconds"].as_f64().expect("seconds");
    assert!(age(&after) >= age(&before), "{after:#}");
    send(&server, 120..150).await;
    let more = trial(&server, 150).await;
    assert_eq!(more["metrics"][0]["observations"], 150);
    server.begin_stop();
    server.ended().await;

    // By other criteria it is no evidence.
    let stricter = |config: &mut Config| {
        everything(config);
        config.judge.disagreement_margin = 0.02;
    };
    let server = TestServer::fleet_in(folder.path(), versions(), stricter).await;
    let view = server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
    let trial = &view["on_trial"];
    assert_eq!(trial["metrics"][0]["observations"], 0);
    assert_eq!(
        (&trial["evidence_lost"], &trial["evidence_loss"]),
        (
            &json!(true),
            &json!(
                "the configuration (judge, shadow or engine) was changed: evidence begins again"
            )
        )
    );
}

/// The same but for the last digit, which JSON may round otherwise.
#[track_caller]
fn assert_same(one: &Value, other: &Value) {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter()
                .zip(other)
                .for_each(|(one, other)| assert_same(one, other));
        }
        (Value::Object(one), Value::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{one:?} and {other:?}");
            one.values()
                .zip(other.values())
                .for_each(|(one, other)| assert_same(one, other));
        }
        (Value::Number(one), Value::Number(other)) => {
            let of = |number: &serde_json::Number| number.as_f64().expect("a number");
            assert!((of(one) - of(other)).abs() < 1e-9, "{one} and {other}");
        }
        _ => assert_eq!(one, other),
    }
}

/// A client of a server in a process of its own.
struct Client {
    http: reqwest::Client,
    process: Process,
}

impl Client {
    fn start(folder: &std::path::Path) -> Self {
        let settings = [
            "models.toy.stable=v1",
            "models.toy.teacher=t",
            "shadow.rate=1",
            "shadow.gives_way=false",
            "shadow.cooldown_seconds=0",
            "shadow.budget_per_second=100000",
            "loading.child_process=false",
        ];
        let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
        Self {
            http: reqwest::Client::new(),
            process: Process::start_in(folder, Backend::Tract, &settings),
        }
    }

    async fn evidence(&self) -> Value {
        let url = self.process.address("metrics");
        let url = url.replace("/metrics", "/admin/models/toy/evidence");
        let answer = self.http.get(url).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn trial(&self, pairs: u64) -> Value {
        loop {
            let trial = self.evidence().await["on_trial"].clone();
            if trial["metrics"][0]["observations"].as_u64() >= Some(pairs) {
                return trial;
            }
        }
    }

    async fn send(&self, range: std::ops::Range<usize>) {
        for n in range {
            let url = self.process.address("predictions");
            let sent = self.http.post(url).body(picture(n)).send().await;
            assert_eq!(sent.expect("an answer").status(), 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_killed_server_goes_on_and_what_it_may_have_lost_counts_against_the_canary() {
    let folder = repository(&["v1", "v2", "t"]);
    let client = Client::start(folder.path());
    let url = client.process.address("metrics");
    let url = url.replace("/metrics", "/admin/models/toy/canary?force=true");
    let order = json!({"version": "v2", "share": 0});
    let ordered = client.http.post(url).json(&order).send().await;
    assert_eq!(ordered.expect("an answer").status(), 200);
    client.send(0..60).await;
    let before = client.trial(60).await;
    // The checkpoint follows the look that was shown.
    let trials = folder.path().join("state/trials.json");
    loop {
        let text = std::fs::read_to_string(&trials).unwrap_or_default();
        if text.contains("\"pairs\":60,\"teacher_runs\"") {
            break;
        }
    }
    client.process.signal("KILL");
    drop(client);

    let mut client = Client::start(folder.path());
    let after = client.trial(60).await;
    assert_eq!(after["evidence_lost"], false);
    let lost = after["presumed_lost_pairs"].as_u64().expect("a number");
    assert!((2..=61).contains(&lost), "{after:#}");
    let log_e = |trial: &Value, test: &str| {
        let log_e = trial["metrics"][0][test]["log_e"].as_f64();
        log_e.expect("a number")
    };
    assert!(log_e(&after, "promotion") < log_e(&before, "promotion"));
    let difference = log_e(&after, "roll_back") - log_e(&before, "roll_back");
    assert!(difference.abs() < 1e-9, "{difference}");
    // A clean end loses nothing more.
    client.process.signal("TERM");
    assert_eq!(client.process.ended(), Some(0));
    drop(client);
    let client = Client::start(folder.path());
    let again = client.trial(60).await;
    assert_eq!(again["presumed_lost_pairs"], lost);
    assert_same(&again["metrics"], &after["metrics"]);
}
