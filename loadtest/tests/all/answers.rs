//! Answers are checked, not only counted.

use crate::{
    program::{Pictures, count, run},
    server::{Server, answer, fine},
};

fn arguments(server: &Server, more: &str) -> String {
    let url = server.url();
    format!(
        "run --url {url} --rate 200 --arrivals constant --warmup 0s --duration 500ms --json {more}"
    )
}

#[test]
fn right_answers_pass() {
    let server = Server::start(|_| fine());
    let pictures = Pictures::named(&[
        "ankle-boot-1.png",
        "ankle-boot-2.jpg",
        "IMG_1.png",
        "notes.txt",
    ]);
    let ran = run(&arguments(&server, "--wrong-labels 0%"), &pictures);
    assert!(ran.ok, "{}", ran.stdout);
    let report = ran.json();
    assert_eq!(report["setting"]["pictures"], 3);
    assert_eq!(report["setting"]["labelled"], 2);
    assert_eq!(report["seats"][0]["version"], "s1");
    assert_eq!(report["seats"][0]["answers"], 100);
    let labelled = report["labels"]["right"].as_u64().expect("a count");
    assert!((66..=67).contains(&labelled), "{labelled}");
    // Every request was sent once, after one request of the preflight check.
    assert_eq!(server.predictions(), 101);
}

#[test]
fn wrong_labels_are_found() {
    let server = Server::start(|asked| match asked.body.starts_with(b"bag") {
        true => answer(1, "stable", "s1", "Ankle boot"),
        false => fine(),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png", "bag-1.png"]);
    let ran = run(&arguments(&server, ""), &pictures);
    assert!(!ran.ok);
    let missed = ran.missed();
    assert!(
        missed.len() == 1
            && missed[0]
                .ends_with("50 wrong of 100: s1 answered `Ankle boot`, the file's name says `bag`"),
        "{missed:?}"
    );
    assert!(run(&arguments(&server, "--wrong-labels 50%"), &pictures).ok);
    assert!(run(&arguments(&server, "--labels none"), &pictures).ok);
}

#[test]
fn a_version_with_two_labels_for_one_picture_is_found() {
    // As if rows of a batch had been swapped.
    let server = Server::start(|asked| match asked.number {
        60 => answer(1, "stable", "s1", "Bag"),
        _ => fine(),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(&arguments(&server, ""), &pictures);
    assert!(!ran.ok);
    assert_eq!(
        count(
            &ran.phase(),
            "another label by the same version for the same picture"
        ),
        1
    );
    assert!(
        ran.stdout.contains("s1: both `Ankle boot` and `Bag`"),
        "{}",
        ran.stdout
    );
}

#[test]
fn two_versions_in_one_generation_and_role_are_found() {
    let honest = Server::start(|asked| match asked.number {
        ..50 => fine(),
        _ => answer(2, "stable", "s2", "Ankle boot"),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(&arguments(&honest, ""), &pictures);
    assert!(ran.ok, "{}", ran.stdout);
    assert_eq!(ran.json()["seats"].as_array().map(Vec::len), Some(2));

    for threads in 1..=2 {
        let torn = Server::start(|asked| match asked.number {
            50 => answer(1, "stable", "s2", "Ankle boot"),
            _ => fine(),
        });
        let ran = run(
            &arguments(&torn, &format!("--threads {threads}")),
            &pictures,
        );
        assert!(!ran.ok);
        assert!(
            ran.stdout
                .contains("generation 1, stable of fashion: both s1 and s2"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn http_2_carries_concurrent_requests() {
    let server = Server::start(|_| fine().after(std::time::Duration::from_millis(50)));
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(
        &arguments(&server, "--http 2 --connections 1 --streams 32"),
        &pictures,
    );
    assert!(ran.ok, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.phase()["answered"], 100);
    let predictions: Vec<String> = server
        .asked()
        .into_iter()
        .filter(|line| line.contains("/predict"))
        .collect();
    assert!(
        predictions.iter().all(|line| line.starts_with("HTTP/2.0")),
        "{predictions:?}"
    );
    // 200/s of 50 ms each need 10 concurrent requests; a single one would be late by seconds.
    assert!(
        ran.phase()["latency_ms"]["p50"].as_f64() < Some(1000.0),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_plot_and_the_table_have_all_parts() {
    let server = Server::start(|_| fine());
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let svg = pictures.put("plot.svg", "");
    let url = server.url();
    let ran = run(
        &format!("run --url {url} --rate 200 --duration 1s --warmup 0s --svg {svg}"),
        &pictures,
    );
    for word in [
        "p99.9 ms",
        "generator late",
        "generation 1:",
        "us a request",
        "ok     load: nothing failed",
    ] {
        assert!(ran.stdout.contains(word), "no {word} in {}", ran.stdout);
    }
    let drawn = std::fs::read_to_string(svg).expect("a plot");
    for word in [
        "<svg",
        "latency by percentile",
        "requests a second",
        "latency over time",
        "p99",
    ] {
        assert!(drawn.contains(word), "no {word}");
    }
}
