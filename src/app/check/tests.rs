use super::*;

#[test]
fn d10_two_listeners_on_one_port_are_refused() {
    for (one, other, shared) in [
        ("127.0.0.1:8080", "127.0.0.1:8080", true),
        ("0.0.0.0:8080", "127.0.0.1:8080", true),
        ("127.0.0.1:8080", "[::]:8080", true),
        ("127.0.0.1:8080", "127.0.0.2:8080", false),
        ("127.0.0.1:8080", "127.0.0.1:8081", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let mut config = Config::default();
        config.server.listen = one.parse().expect("an address");
        config.server.admin_listen = other.parse().expect("an address");
        let faults = relations(&config);
        assert_eq!(!faults.is_empty(), shared, "{one} {other}: {faults:?}");
    }
}

#[test]
fn d10_criteria_that_contradict_each_other_are_refused_by_model() {
    let mut config = Config::default();
    let mut criteria = config.judge.clone();
    criteria.divergence_margin_nats = 3.0;
    let model = config.models.entry("toy".into()).or_default();
    model.judge = Some(criteria);
    config.models.entry("other".into()).or_default();
    let faults = relations(&config);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("models.toy: judge: `divergence_margin_nats`"));
}

#[test]
fn e_a_tokens_file_that_everybody_can_read_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    std::fs::write(&path, "").expect("written");
    for (mode, reported) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("set");
        let warning = readable_by_all("admin.tokens_file", &path);
        assert_eq!(warning.is_some(), reported, "{mode:o}: {warning:?}");
        assert!(warning.is_none_or(|text| text.contains("chmod")));
    }
}
