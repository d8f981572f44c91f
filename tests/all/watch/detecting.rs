//! What a stable version that was promoted is watched against.

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse::store::manifest::Reference;

use super::{PAIRS, by_number, everything, send};
use crate::{
    rollout::always,
    server::TestServer,
    toy::{toy_manifest, write_manifest},
};

/// Validation was easier than the traffic: a version that is promoted is watched against what its trial measured, and so
/// one that goes on as it was on trial raises no alarm.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_promotion_stable_is_watched_against_its_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut manifest = toy_manifest();
    manifest.reference = Some(Reference {
        samples: 10_000,
        class_ratios: vec![0.4, 0.3, 0.3],
        agreement: Some(0.99),
        kl_clipped_mean_nats: Some(0.01),
        ..Default::default()
    });
    let models = folder.path().join("models");
    write_manifest(&models, "v2", manifest, Bytes::from_static(b"v2"), vec![]);
    // Wrong on one in seven pictures, later on every second.
    let student = by_number(|n| usize::from(n % 7 == 0 || (n >= 1000 && n % 2 == 0)));
    let versions = vec![("v1", always(0)), ("v2", student), ("t", always(0))];
    let server = TestServer::fleet_in(folder.path(), versions, everything).await;
    let order = json!({"version": "v2", "share": 0});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    send(&server, 0..400).await;
    server.until(PAIRS, 400.0).await;
    let reply = server.order("POST", "promote", json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let alarm = async || {
        let view = server.admin_view("/drift", |_| true).await;
        view["roles"][0]["detectors"][0]["alarm"].clone()
    };
    send(&server, 400..800).await;
    server.until(PAIRS, 800.0).await;
    assert_eq!(alarm().await, Value::from(false), "as on trial");
    send(&server, 1000..1300).await;
    server.until(PAIRS, 1100.0).await;
    assert_eq!(alarm().await, Value::from(true), "worse than on trial");
}
