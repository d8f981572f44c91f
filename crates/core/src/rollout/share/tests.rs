use super::*;

/// A share without a unit can't mean a tenth of a percent, a tenth or everything by accident.
#[test]
fn d8_a_share_without_a_unit_is_refused() {
    for (text, points) in [
        ("10%", 1000),
        ("2.5 %", 250),
        ("0.01%", 1),
        ("100%", 10_000),
        ("0%", 0),
        ("0", 0),
        ("0.1", 1000),
        (" .25", 2500),
        ("0.0001", 1),
        ("0.999", 9990),
    ] {
        assert_eq!(text.parse(), Ok(Share(points)), "{text}");
    }
    for (text, proposal) in [
        ("10", "say 10% or 0.1"),
        ("1", "say 1% or 0.01"),
        ("1.0", "say 1% or 0.01"),
        ("2.5", "say 2.5% or 0.025"),
        ("100", "say 100%"),
        ("1000", "percent with the sign"),
    ] {
        let error = text.parse::<Share>().expect_err(text).to_string();
        assert!(error.contains(proposal), "{text}: {error}");
    }
    for text in [
        "", "%", "-1", "10001", "100.01%", "-1%", "0.001%", "0.00001", "nan%", "nan", "inf%",
        "ten", "1e3", "1e-1", "10 000", "0,1", "+5%",
    ] {
        assert!(text.parse::<Share>().is_err(), "{text}");
    }
}

#[test]
fn json_has_whole_basis_points_or_text_with_a_unit() {
    let read = |json: &str| serde_json::from_str::<Share>(json).map_err(|error| error.to_string());
    assert_eq!(read("250"), Ok(Share(250)));
    assert_eq!(read("\"2.5%\""), Ok(Share(250)));
    assert_eq!(read("\"0.1\""), Ok(Share(1000)));
    for json in [
        "0.1", "-1", "10001", "65546", "1e400", "null", "[]", "\"1;\"", "\"10\"",
    ] {
        assert!(read(json).is_err(), "{json}");
    }
    assert!(read("0.1").expect_err("a fraction").contains("percent"));
    assert_eq!(serde_json::to_string(&Share(250)).expect("JSON"), "250");
}

#[test]
fn d8_the_configuration_wants_a_unit_too() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Table {
        #[serde(with = "written")]
        one: Share,
        #[serde(with = "written::list")]
        ramp: Vec<Share>,
        #[serde(default, with = "written::optional")]
        other: Option<Share>,
    }
    let read = |json: &str| serde_json::from_str::<Table>(json).map_err(|error| error.to_string());
    let table = read(r#"{"one": 0.1, "ramp": [0, "1%", "0.05"], "other": "100%"}"#);
    let expected = Table {
        one: Share(1000),
        ramp: vec![Share(0), Share(100), Share(500)],
        other: Some(Share::ALL),
    };
    assert_eq!(table.as_ref(), Ok(&expected));
    let json = serde_json::to_string(&expected).expect("JSON");
    assert_eq!(
        json,
        r#"{"one":"10%","ramp":["0%","1%","5%"],"other":"100%"}"#
    );
    assert_eq!(read(&json), Ok(expected));
    for json in [
        r#"{"one": 10, "ramp": []}"#,
        r#"{"one": "10", "ramp": []}"#,
        r#"{"one": "10%", "ramp": [0, 100]}"#,
    ] {
        let error = read(json).expect_err(json);
        assert!(error.contains("has no unit: say"), "{json}: {error}");
    }
    assert_eq!(read(r#"{"one": 0, "ramp": []}"#).map(|t| t.other), Ok(None));
}
