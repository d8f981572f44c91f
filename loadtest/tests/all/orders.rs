//! Scenarios: phases, orders to the admin API, expectations.

use crate::{
    program::{Pictures, run, text},
    server::{Asked, Reply, Server, fine, problem},
};

const SCENARIO: &str = r#"
about = "a swap"
connections = 4
arrivals = "constant"

[names]
canary = "s2"

[[phase]]
name = "warm-up"
duration = "200ms"
rate = 100
measured = false

[[phase]]
name = "calm"
duration = "400ms"
rate = 100

[[phase]]
name = "callers"
duration = "400ms"
callers = 2

[[before]]
name = "canary"
path = "/admin/models/fashion/canary"
body = { version = "{canary}", share = 0 }
precondition = "force"

[[event]]
at = "300ms"
name = "promote"
path = "/admin/models/fashion/promote"

[[event]]
at = "500ms"
name = "load"
path = "/admin/models/fashion/versions/{canary}/load"
precondition = "none"

[[after]]
name = "back"
path = "/admin/models/fashion/rollback"
body = { to = "s1" }
precondition = "force"
accept = [200, 409]
"#;

fn script(asked: &Asked) -> Reply {
    let etag = |reply| Reply {
        etag: Some("\"7\""),
        ..reply
    };
    match (asked.method.as_str(), asked.path.as_str()) {
        (_, path) if path.starts_with("/predict") => fine(),
        ("GET", "/admin/models/fashion") => etag(Reply::new(200, "{}")),
        ("GET", "/metrics") => Reply::new(200, "# HELP\nprocess_cpu_seconds_total 1.5\n"),
        (_, "/admin/models/fashion/promote") if asked.if_match.as_deref() != Some("\"7\"") => {
            problem(428, "precondition_required")
        }
        (_, "/admin/models/fashion/rollback?force=true") => problem(409, "no_change"),
        _ => etag(Reply::new(200, "{}")),
    }
}

fn play(server: &Server, scenario: &str, more: &str) -> crate::program::Ran {
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let file = pictures.put("it.toml", scenario);
    let (url, admin) = (server.url(), server.admin());
    run(
        &format!("scenario {file} --url {url} --admin {admin} --json {more}"),
        &pictures,
    )
}

fn put_right(server: &Server) -> bool {
    let asked = server.asked();
    asked
        .iter()
        .any(|line| line.contains("/rollback?force=true"))
}

#[test]
fn orders_are_given_at_their_times_for_the_generation_there_is() {
    let server = Server::start(script);
    let ran = play(&server, SCENARIO, "--name canary=s3");
    assert!(ran.ok, "{}{}", ran.stdout, ran.stderr);
    let orders: Vec<String> = server
        .asked()
        .into_iter()
        .filter(|line| line.contains("/admin/"))
        .collect();
    assert_eq!(
        orders,
        [
            r#"HTTP/1.1 POST /admin/models/fashion/canary?force=true - {"share":0,"version":"s3"}"#,
            r"HTTP/1.1 GET /admin/models/fashion -",
            r#"HTTP/1.1 POST /admin/models/fashion/promote "7""#,
            r"HTTP/1.1 POST /admin/models/fashion/versions/s3/load -",
            r#"HTTP/1.1 POST /admin/models/fashion/rollback?force=true - {"to":"s1"}"#,
        ]
    );
    let report = ran.json();
    let events = report["events"].as_array().expect("events");
    assert_eq!(events.len(), 2);
    assert_eq!(
        (text(&events[0]["name"]), &events[0]["status"]),
        ("promote", &200.into())
    );
    assert_eq!(text(&events[0]["generation"]), "7");
    let at = events[0]["at_seconds"].as_f64().expect("a time");
    assert!(at >= 0.3, "{at}");
    let phases = report["phases"].as_array().expect("phases");
    assert_eq!(
        (&phases[0]["measured"], &phases[1]["offered"]),
        (&false.into(), &40.into())
    );
    assert!(phases[2]["answered"].as_u64() > Some(2), "{}", phases[2]);
    assert_eq!(report["server"]["cpu_seconds"], 0.0);
}

#[test]
fn an_order_that_is_not_accepted_fails_the_run_and_what_comes_after_is_still_done() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/admin/models/fashion/promote" => problem(412, "stale"),
        _ => script(asked),
    });
    let ran = play(&server, SCENARIO, "");
    assert!(!ran.ok);
    let missed = ran.missed();
    assert!(
        missed.len() == 1
            && missed[0].starts_with("promote at ")
            && missed[0].contains(" s is accepted: 412"),
        "{missed:?}"
    );
    assert!(put_right(&server));
}

#[test]
fn a_run_whose_beginning_is_refused_does_not_begin_and_leaves_alone_what_is_there() {
    let refusing = |path: &'static str| {
        Server::start(move |asked| match asked.path == path {
            true => problem(422, "version_untrusted"),
            false => script(asked),
        })
    };
    let server = refusing("/admin/models/fashion/canary?force=true");
    let ran = play(&server, SCENARIO, "");
    assert!(!ran.ok && ran.stdout.is_empty());
    assert!(ran.stderr.contains("before the run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("version_untrusted"), "{}", ran.stderr);
    assert_eq!(server.predictions(), 1);
    assert!(!put_right(&server));

    // What had been changed until then is put right.
    let second = "\n[[before]]\nname = \"more\"\npath = \"/admin/models/fashion/more?force=true\"\nprecondition = \"none\"\n";
    let server = refusing("/admin/models/fashion/more?force=true");
    let ran = play(&server, &format!("{SCENARIO}{second}"), "");
    assert!(!ran.ok && server.predictions() == 1 && put_right(&server));
}

#[test]
fn shares_are_of_what_was_measured_or_given() {
    let scenario = r#"
about = "half"
connections = 2
arrivals = "constant"
[reference]
callers = 2
duration = "200ms"
[[phase]]
name = "half"
duration = "500ms"
share = "50%"
[[expect]]
goodput = "40%"
"#;
    let server = Server::start(script);
    let given = play(&server, scenario, "--reference 200");
    assert!(given.ok, "{}", given.stdout);
    assert_eq!(given.phase()["offered"], 50);
    let slow = Server::start(|_| fine().after(std::time::Duration::from_millis(20)));
    let measured = play(&slow, scenario, "");
    let reference = measured.json()["reference_per_second"]
        .as_f64()
        .expect("a reference");
    // Two callers, 20 ms each: a hundred a second at most, and what was on its way at the end.
    assert!((2.0..=110.0).contains(&reference), "{reference}");
    let too_little = play(&server, &scenario.replace("40%", "60%"), "--reference 200");
    assert!(!too_little.ok);
}

#[test]
fn slow_clients_are_told_of_and_disturb_nobody() {
    let scenario = r#"
about = "slow"
connections = 2
[[phase]]
name = "load"
duration = "1s"
rate = 100
[slow_clients]
connections = 3
part = "body"
bytes_per_second = 100
"#;
    let server = Server::start(|_| fine());
    let ran = play(&server, scenario, "");
    assert!(ran.ok, "{}", ran.stdout);
    let report = ran.json();
    let told: Vec<&str> = report["slow_clients"]
        .as_array()
        .expect("told")
        .iter()
        .map(|one| text(&one[0]))
        .collect();
    // A name of 16 bytes at 100 bytes a second: answered several times, and cut by the end.
    assert!(told.contains(&"answered with 200"), "{told:?}");
}

#[test]
fn an_unknown_key_is_named() {
    let server = Server::start(script);
    let ran = play(
        &server,
        &SCENARIO.replace("measured = false", "mesured = false"),
        "",
    );
    assert!(!ran.ok);
    assert!(
        ran.stderr.contains("mesured") && ran.stderr.contains("line 13"),
        "{}",
        ran.stderr
    );
}
