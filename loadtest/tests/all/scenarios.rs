//! Scenarios: phases, requests to the admin API, expectations.

use crate::{
    program::{Pictures, run, text},
    server::{ReceivedRequest, Reply, Server, fine, problem},
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

fn script(asked: &ReceivedRequest) -> Reply {
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

fn run_scenario(server: &Server, scenario: &str, more: &str) -> crate::program::RunResult {
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let file = pictures.put("it.toml", scenario);
    let (url, admin) = (server.url(), server.admin());
    run(
        &format!("scenario {file} --url {url} --admin {admin} --json {more}"),
        &pictures,
    )
}

fn restore(server: &Server) -> bool {
    let asked = server.asked();
    asked
        .iter()
        .any(|line| line.contains("/rollback?force=true"))
}

#[test]
fn requests_are_sent_at_their_times_for_the_current_generation() {
    let server = Server::start(script);
    let ran = run_scenario(&server, SCENARIO, "--name canary=s3");
    assert!(ran.ok, "{}{}", ran.stdout, ran.stderr);
    let requests: Vec<String> = server
        .asked()
        .into_iter()
        .filter(|line| line.contains("/admin/"))
        .collect();
    assert_eq!(
        requests,
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
fn a_refused_request_fails_the_run_and_the_state_is_restored() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/admin/models/fashion/promote" => problem(412, "stale"),
        _ => script(asked),
    });
    let ran = run_scenario(&server, SCENARIO, "");
    assert!(!ran.ok);
    let missed = ran.missed();
    assert!(
        missed.len() == 1
            && missed[0].starts_with("promote at ")
            && missed[0].contains(" s is accepted: 412"),
        "{missed:?}"
    );
    assert!(restore(&server));
}

#[test]
fn a_run_whose_first_request_is_refused_changes_nothing() {
    let refusing = |path: &'static str| {
        Server::start(move |asked| match asked.path == path {
            true => problem(422, "version_untrusted"),
            false => script(asked),
        })
    };
    let server = refusing("/admin/models/fashion/canary?force=true");
    let ran = run_scenario(&server, SCENARIO, "");
    assert!(!ran.ok && ran.stdout.is_empty());
    assert!(ran.stderr.contains("before the run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("version_untrusted"), "{}", ran.stderr);
    assert_eq!(server.predictions(), 1);
    assert!(!restore(&server));

    // What had been changed until then is restored.
    let second = "\n[[before]]\nname = \"more\"\npath = \"/admin/models/fashion/more?force=true\"\nprecondition = \"none\"\n";
    let server = refusing("/admin/models/fashion/more?force=true");
    let ran = run_scenario(&server, &format!("{SCENARIO}{second}"), "");
    assert!(!ran.ok && server.predictions() == 1 && restore(&server));
}

#[test]
fn shares_refer_to_the_measured_or_given_rate() {
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
    let given = run_scenario(&server, scenario, "--reference 200");
    assert!(given.ok, "{}", given.stdout);
    assert_eq!(given.phase()["offered"], 50);
    let slow = Server::start(|_| fine().after(std::time::Duration::from_millis(20)));
    let measured = run_scenario(&slow, scenario, "");
    let reference = measured.json()["reference_per_second"]
        .as_f64()
        .expect("a reference");
    // Two callers at 20 ms each: at most 100/s, and the requests in flight at the end.
    assert!((2.0..=110.0).contains(&reference), "{reference}");
    let too_little = run_scenario(&server, &scenario.replace("40%", "60%"), "--reference 200");
    assert!(!too_little.ok);
}

#[test]
fn slow_clients_are_reported_and_disturb_nobody() {
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
    let ran = run_scenario(&server, scenario, "");
    assert!(ran.ok, "{}", ran.stdout);
    let report = ran.json();
    let outcomes: Vec<&str> = report["slow_clients"]
        .as_array()
        .expect("outcomes")
        .iter()
        .map(|one| text(&one[0]))
        .collect();
    // A body of 16 bytes at 100 bytes/s: answered several times, and cut off by the end of the run.
    assert!(outcomes.contains(&"answered with 200"), "{outcomes:?}");
}

#[test]
fn an_unknown_key_is_named() {
    let server = Server::start(script);
    let ran = run_scenario(
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
