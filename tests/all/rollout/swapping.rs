//! The main promise: promote and roll back under load; nothing is lost, and no answer contradicts its version.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use serde_json::json;

use super::always;
use crate::{
    server::TestServer,
    toy::{SIDE, gray_png},
};

const SWAPS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_promotes_and_rollbacks_under_load_lose_nothing() {
    let (first, second) = (always(0), always(1));
    let censuses = [first.census(), second.census()];
    let server = TestServer::fleet(vec![("v1", first), ("v2", second)], |config| {
        config.loading.unload_after_seconds = 0;
    })
    .await;
    let server = Arc::new(server);
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));

    let client = |impatient: bool| {
        let (server, stop, answered) = (server.clone(), stop.clone(), answered.clone());
        tokio::spawn(async move {
            let mut generation = 0;
            while !stop.load(Relaxed) {
                let asking = server.predict(gray_png(SIDE, 7));
                if impatient {
                    // Disconnects if the answer isn't there at the second poll.
                    tokio::select! {
                        biased;
                        _ = asking => {}
                        () = tokio::task::yield_now() => {}
                    }
                    continue;
                }
                let reply = asking.await;
                assert_eq!(reply.status, 200, "{}", reply.text);
                let answer = reply.json();
                let label = if answer["version"] == "v1" {
                    "dark"
                } else {
                    "middle"
                };
                assert_eq!(answer["predictions"][0]["label"], label, "{answer}");
                // One client's requests are sequential: it never sees the deployment go backwards.
                let now = answer["generation"].as_u64().expect("a number");
                assert!(now >= generation, "{now} after {generation}");
                generation = now;
                answered.fetch_add(1, Relaxed);
            }
        })
    };
    let mut clients: Vec<_> = (0..6).map(|_| client(false)).collect();
    clients.extend((0..2).map(|_| client(true)));

    let started = server
        .order("POST", "canary", json!({"version": "v2", "share": "50%"}))
        .await;
    assert_eq!(started.status, 200, "{}", started.text);
    for swap in 0..SWAPS {
        let before = answered.load(Relaxed);
        let path = if swap == 0 { "promote" } else { "rollback" };
        let reply = server.order("POST", path, json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let (generation, stable) = (
            reply.json()["after"]["generation"].clone(),
            reply.json()["after"]["stable"].clone(),
        );
        // Visible to the next request.
        let answer = server.predict(gray_png(SIDE, 7)).await.json();
        assert_eq!(
            (&answer["generation"], &answer["version"]),
            (&generation, &stable)
        );
        // Every swap happens during traffic.
        while answered.load(Relaxed) < before + 5 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.expect("no answer was wrong");
    }
    assert!(answered.load(Relaxed) >= 5 * SWAPS);

    let generation = server
        .metric("stillhouse_deployment_generation{model=\"toy\"}")
        .await;
    assert_eq!(generation as usize, 2 + SWAPS);
    let mut server = Arc::try_unwrap(server).ok().expect("the clients are gone");
    server.begin_stop();
    server.ended().await;
    for census in censuses {
        while census.dropped.load(Relaxed) < census.built.load(Relaxed) {
            tokio::task::yield_now().await;
        }
        assert_eq!(census.dropped_elsewhere.load(Relaxed), 0);
    }
}
