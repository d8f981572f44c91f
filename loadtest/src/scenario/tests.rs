//! Which scenario files are accepted, and which are refused.

use super::*;

const SWAP: &str = r#"
about = "a swap"
connections = 8
arrivals = "constant"
give_up_after = "2s"

[names]
model = "fashion"
canary = "s2"

[reference]
callers = 8
duration = "4s"

[[phase]]
name = "warm-up"
duration = "1s"
rate = 100
measured = false

[[phase]]
name = "load"
duration = "10s"
share = "40%"
to_share = "80%"

[[before]]
name = "dark canary"
path = "/admin/models/{model}/canary"
body = { version = "{canary}", share = 0 }
precondition = "force"

[[event]]
at = "2s"
every = "3s"
times = 3
name = "rollback"
path = "/admin/models/{model}/rollback"

[[event]]
at = "4s"
name = "split"
method = "PUT"
path = "/admin/models/{model}/split?dry_run=true"
body = { canary = "5%" }
precondition = "force"

[[expect]]
phase = "load"
slo = "p99=20ms"
"#;

fn refused(change: impl Fn(&str) -> String, says: &str) {
    let error = Scenario::parse(&change(SWAP)).map(|_| ()).expect_err(says);
    let error = format!("{error:#}");
    assert!(error.contains(says), "`{error}` must say `{says}`");
}

#[test]
fn phases_become_a_plan() {
    let scenario = Scenario::parse(SWAP).expect("a scenario");
    let plan = scenario.plan(Some(1000.0)).expect("a plan");
    assert_eq!(plan.phases.len(), 2);
    assert!(!plan.phases[0].measured && plan.phases[1].measured);
    let load = Load::Open {
        from: 400.0,
        to: 800.0,
    };
    assert_eq!(plan.phases[1].load, load);
    assert_eq!(
        (plan.spacing, plan.max_wait),
        (Spacing::Constant, Duration::from_secs(2))
    );
}

#[test]
fn requests_are_sorted_by_time_and_placeholders_replaced() {
    let scenario = Scenario::parse(SWAP).expect("a scenario");
    let given = [("canary".to_owned(), "s3".to_owned())];
    let names = Names::new(&scenario.names, &given).expect("names");
    let requests = scenario.admin_requests(&names).expect("requests");
    let during: Vec<String> = requests
        .during
        .iter()
        .map(|(at, request)| format!("{} {}", at.as_secs(), request.target()))
        .collect();
    assert_eq!(
        during,
        [
            "2 /admin/models/fashion/rollback",
            "4 /admin/models/fashion/split?dry_run=true&force=true",
            "5 /admin/models/fashion/rollback",
            "8 /admin/models/fashion/rollback",
        ]
    );
    assert_eq!(
        requests.during[0].1.model_path().expect("a model"),
        "/admin/models/fashion"
    );
    let before = &requests.before[0];
    assert_eq!(before.target(), "/admin/models/fashion/canary?force=true");
    assert_eq!(
        before.body,
        Some(serde_json::json!({"version": "s3", "share": 0}))
    );
    let unknown = Names::new(&scenario.names, &[("teacher".to_owned(), "t".to_owned())])
        .expect_err("unknown");
    assert_eq!(
        unknown.to_string(),
        "this scenario has no name `teacher`; it has: canary, model"
    );
}

#[test]
fn unknown_keys_are_refused_by_name() {
    refused(
        |text| text.replace("connections = 8", "connections = 8\nconections = 9"),
        "`conections`",
    );
    refused(
        |text| text.replace("measured = false", "mesured = false"),
        "`mesured`",
    );
    refused(
        |text| text.replace("times = 3", "times = 3\ntime = 4"),
        "`time`",
    );
    refused(
        |text| text.replace("share = 0 }\n", "share = 0 }\nreason = 'x'\n"),
        "`reason`",
    );
    refused(|text| text.replace("slo =", "slos ="), "`slos`");
    refused(
        |text| text.replace("callers = 8", "callers = 8\nrate = 7"),
        "`rate`",
    );
    refused(
        |text| {
            text.replace(
                "path = \"/admin/models/{model}/rollback",
                "path = \"/admin/models/{m}/rollback",
            )
        },
        "{m}",
    );
}

#[test]
fn invalid_values_are_refused() {
    refused(
        |text| text.replace("rate = 100", "rate = 100\ncallers = 2"),
        "phase `warm-up`",
    );
    refused(
        |text| text.replace("rate = 100", "rate = 100\nto_share = '5%'"),
        "give one of",
    );
    refused(|text| text.replace("rate = 100\n", ""), "give one of");
    refused(
        |text| text.replace("rate = 100", "rate = 0"),
        "can't be sent",
    );
    refused(
        |text| text.replace("duration = \"1s\"", "duration = \"1x\""),
        "250us, 20ms",
    );
    refused(
        |text| text.replace("duration = \"10s\"", "duration = \"0s\""),
        "lasts no time",
    );
    refused(
        |text| text.replace("name = \"warm-up\"", "name = \"load\""),
        "two phases",
    );
    refused(
        |text| text.replace("phase = \"load\"", "phase = \"warm-up\""),
        "no measured phase `warm-up`",
    );
    refused(
        |text| text.replace("[reference]\ncallers = 8\nduration = \"4s\"", ""),
        "need a [reference]",
    );
    refused(
        |text| text.replace("times = 3", "times = 4"),
        "after the end",
    );
    refused(|text| text.replace("every = \"3s\"\n", ""), "set `every`");
    refused(
        |text| text.replace("connections = 8", "connections = 0"),
        "at least one",
    );
    refused(
        |text| text.replace("slo = \"p99=20ms\"", "slo = \"p99=20\""),
        "20ms",
    );
}

#[test]
fn a_request_outside_a_model_needs_no_precondition() {
    let request = AdminRequest {
        path: "/admin/models".into(),
        ..Scenario::parse(SWAP).expect("a scenario").before[0].clone()
    };
    let error = request.model_path().expect_err("no model").to_string();
    assert!(error.contains("precondition = \"none\""), "{error}");
}

#[test]
fn every_built_in_scenario_is_valid_and_explains_each_key() {
    for (name, text) in SHIPPED {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert!(scenario.plan(Some(100.0)).is_ok(), "{name}");
        let mut commented = Vec::new();
        let mut before = "";
        for line in text.lines() {
            if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                if before.starts_with('#') || line.contains(" # ") {
                    commented.push(key.trim().to_owned());
                }
                assert!(
                    commented.contains(&key.trim().to_owned()),
                    "{name}: `{key}` has no comment"
                );
            }
            before = line;
        }
    }
}
