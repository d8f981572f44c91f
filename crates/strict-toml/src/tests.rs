use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::{Tree, parse};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    models: Vec<Model>,
    mode: Option<Mode>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    port: u16,
    max_body_bytes: u64,
    ratio: f32,
    trusted: Vec<String>,
    weights: Vec<f64>,
    open: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    color: String,
    #[serde(default)]
    at: Option<f64>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Auto,
    Tract,
    Fixed { threads: usize },
}

fn check(text: &str, expected: &[&str]) {
    let found = match parse::<Settings>(text, Path::new("s.toml")) {
        Ok(_) => Vec::new(),
        Err(error) => error.findings.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "for {text:?}");
}

#[test]
fn good_text_is_read() {
    let text = "name = 'a'\nmode = 'tract'\nhttp = { port = 80, ratio = 1, weights = [1, 2.5] }\n[[models]]\ncolor = 'red'";
    let settings: Settings = parse(text, Path::new("s.toml")).unwrap();
    assert_eq!(
        settings.http,
        Http {
            port: 80,
            ratio: 1.0,
            weights: vec![1.0, 2.5],
            ..Http::default()
        }
    );
    assert_eq!(
        settings.models,
        [Model {
            color: "red".into(),
            at: None
        }]
    );
    assert_eq!(settings.mode, Some(Mode::Tract));
    let settings: Settings =
        parse("name = ''\nmode.fixed.threads = 3", Path::new("s.toml")).unwrap();
    assert_eq!(settings.mode, Some(Mode::Fixed { threads: 3 }));
}

#[test]
fn every_unknown_key_is_named_with_its_line_and_the_nearest_right_one() {
    check(
        "nam = 'a'\nname = 'b'",
        &["s.toml:1: unknown key `nam`: did you mean `name`?"],
    );
    check(
        "name = 'a'\n[http]\nPort = 1\n\nmax-body-byte = 2\n[[models]]\ncolor = ''\n[[models]]\ncolour = ''",
        &[
            "s.toml:3: unknown key `http.Port`: did you mean `port`?",
            "s.toml:5: unknown key `http.max-body-byte`: did you mean `max_body_bytes`?",
            "s.toml:9: unknown key `models[1].colour`: did you mean `color`?",
            "s.toml:8: key `models[1].color` is missing",
        ],
    );
    check(
        "name = ''\nsomething = 1",
        &["s.toml:2: unknown key `something`: known here: `name`, `http`, `models`, `mode`"],
    );
    check(
        "name = ''\nmode.fixed = {threads = 1, cores = 2}",
        &["s.toml:2: unknown key `mode.fixed.cores`: known here: `threads`"],
    );
}

#[test]
fn wrong_values_are_named_with_key_and_line() {
    check("", &["s.toml: key `name` is missing"]);
    check(
        "name = 1",
        &["s.toml:1: `name`: found integer `1` where a string belongs"],
    );
    check(
        "name = ''\nhttp.port = '80'",
        &["s.toml:2: `http.port`: found string \"80\" where u16 belongs"],
    );
    check(
        "name = ''\nhttp.port = 65536",
        &["s.toml:2: `http.port`: integer `65536` is out of range: u16 belongs here"],
    );
    check(
        "name = ''\nhttp.max_body_bytes = -1",
        &["s.toml:2: `http.max_body_bytes`: integer `-1` is out of range: u64 belongs here"],
    );
    check(
        "name = ''\nhttp.weights = [1,\n'x']",
        &["s.toml:3: `http.weights[1]`: found string \"x\" where f64 belongs"],
    );
    check(
        "name = ''\nhttp = []",
        &["s.toml:2: `http`: found sequence where a table belongs"],
    );
    check(
        "name = ''\nhttp = 3",
        &["s.toml:2: `http`: found integer `3` where struct Http belongs"],
    );
    check(
        "name = ''\nmode = 'trakt'",
        &["s.toml:2: `mode`: `trakt` is no value for it: did you mean `tract`?"],
    );
    check(
        "name = ''\nmode = 'x'",
        &["s.toml:2: `mode`: `x` is no value for it: known here: `auto`, `tract`, `fixed`"],
    );
    check(
        "name = ''\nmode.auto = 1",
        &["s.toml:2: `mode.auto`: takes no settings of its own: write it as a string"],
    );
    check(
        "name = ''\nmode = {}",
        &["s.toml:2: `mode`: found 0 keys where one belongs"],
    );
    check(
        "name = ''\nhttp.port = 99999999999999999999",
        &["s.toml:2: 99999999999999999999 is out of range"],
    );
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    check(
        "name = ''\nname = ''",
        &["s.toml:2: not TOML: duplicate key"],
    );
    check(
        "name = \n",
        &["s.toml:1: not TOML: string values must be quoted, expected literal string"],
    );
}

#[test]
fn depth_and_width_are_bounded() {
    for text in [
        "a.".repeat(100_000) + "a = 1",
        format!("a = {}", "[".repeat(100_000)),
        "{".repeat(100_000),
    ] {
        assert!(parse::<Settings>(&text, Path::new("s.toml")).is_err());
    }
}

#[test]
fn environment_and_flags_are_laid_over_the_file_and_named() {
    let mut tree = Tree::parse("name = 'a'\n[http]\nport = 1", Path::new("s.toml")).unwrap();
    tree.set("http.port", "8080", "STILLHOUSE_HTTP_PORT")
        .unwrap();
    tree.set("http.trusted", "a, b", "--trusted").unwrap();
    tree.set("http.weights", "1,2.5", "--weights").unwrap();
    tree.set("http.open", "true", "--open").unwrap();
    tree.set("http.ratio", "0.5", "--ratio").unwrap();
    tree.set("name", "7", "--name").unwrap();
    tree.set("mode", "auto", "--mode").unwrap();
    let settings: Settings = tree.typed().unwrap();
    assert_eq!(
        (settings.name.as_str(), settings.mode),
        ("7", Some(Mode::Auto))
    );
    assert_eq!(
        settings.http,
        Http {
            port: 8080,
            ratio: 0.5,
            trusted: vec!["a".into(), "b".into()],
            weights: vec![1.0, 2.5],
            open: true,
            ..Http::default()
        }
    );

    tree.set("http.port", "eighty", "STILLHOUSE_HTTP_PORT")
        .unwrap();
    tree.set("http.prot", "1", "STILLHOUSE_HTTP_PROT").unwrap();
    assert_eq!(
        tree.typed::<Settings>().unwrap_err().to_string(),
        "STILLHOUSE_HTTP_PROT: unknown key `http.prot`: did you mean `port`?\n\
         STILLHOUSE_HTTP_PORT: `http.port`: found `eighty` where a whole number belongs"
    );
    assert_eq!(
        tree.set("name.x", "1", "--x").unwrap_err().to_string(),
        "--x: `name.x` can't be set: --name holds a value there, not a table"
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*", toml in "([a-z]{1,4}(\\.[a-z]{1,4})? ?= ?(-?[0-9]{1,20}|'[a-z]*'|\\[1, 'x'\\]|\\{a=1\\})\n){0,6}") {
        let _ = parse::<Settings>(&text, Path::new("s.toml"));
        let _ = parse::<Settings>(&toml, Path::new("s.toml"));
    }

    #[test]
    fn strict_reading_agrees_with_toml_where_toml_accepts(port in any::<u16>(), ratio in any::<f32>().prop_filter("finite", |r| r.is_finite()), name in "[a-z\\\\\"]{0,8}") {
        let text = format!("name = {}\n[http]\nport = {port}\nratio = {ratio:?}\n", toml::Value::String(name));
        prop_assert_eq!(parse::<Settings>(&text, Path::new("s.toml")).unwrap(), toml::from_str::<Settings>(&text).unwrap());
    }
}
