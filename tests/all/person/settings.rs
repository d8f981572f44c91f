//! `config check` refuses what `serve` would die of, in the same words.

use super::{run, stderr, stdout, verb};
use crate::toy::{golden, write};

const ANYWHERE: &str = "--set server.listen=127.0.0.1:0 --set server.admin_listen=127.0.0.1:0";

#[test]
fn d10_the_check_and_the_server_refuse_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(&folder.join("models"), golden());
    let good = run(folder, &format!("config check {ANYWHERE}"));
    assert!(good.status.success(), "{}", stderr(&good));
    for (setting, words) in [
        (
            "models.toy.stable=v9",
            "models.toy.stable is `v9`, and there is no such version",
        ),
        (
            "models.toy.teacher=v9",
            "models.toy.teacher is `v9`, and there is no such version",
        ),
        (
            "models.tea.stable=v1",
            "the table [models.tea] names the model `tea`, which is not in",
        ),
        ("repository.default_model=toi", "did you mean `toy`?"),
        ("repository.path=nowhere", "--models"),
        (
            "server.admin_listen=127.0.0.1:18099 --set server.listen=127.0.0.1:18099",
            "both on port 18099",
        ),
        ("shadow.rate=1.5", "`shadow.rate`: 1.5 is out of range"),
        ("shadow.rate=nan", "`shadow.rate`"),
        ("log.filter=infoo", "`infoo` is no level of the log"),
        ("log.filter=stillhouse=[", "`log.filter`"),
        ("engine.device=gpu", "`gpu` is no device"),
        ("engine.backend=torch", "`torch` is no engine"),
        ("admin.tokens_file=nowhere", "admin.tokens_file nowhere"),
        (
            "server.admin_listen=0.0.0.0:0",
            "would let everybody change what is served",
        ),
        (
            "connections.max_connections=0",
            "a whole number from 1 to 1_000_000",
        ),
        ("batch.max_batch=100000", "a whole number from 0 to 4096"),
        ("batch.queue=0", "`batch.queue`: 0 is out of range"),
        (
            "requests.deadline_ms=9223372036854775807",
            "`requests.deadline_ms`",
        ),
        (
            "server.drain_timeout_seconds=9223372036854775807",
            "`server.drain_timeout_seconds`",
        ),
        (
            "connections.header_timeout_seconds=9223372036854775807",
            "`connections.header_timeout_seconds`",
        ),
        (
            "loading.unload_after_seconds=9223372036854775807",
            "`loading.unload_after_seconds`",
        ),
        (
            "loading.arrival_share=10",
            "`10` has no unit: say 10% or 0.1",
        ),
        ("judge.ramp=0,100,10000", "has no unit"),
        (
            "judge.divergence_margin_nats=3",
            "`divergence_margin_nats` is 3",
        ),
        (
            "models.toy.batch.max_batch=100000",
            "`models.toy.batch.max_batch`",
        ),
        ("batch.qeue=3", "did you mean `queue`?"),
    ] {
        let line = format!("{ANYWHERE} --set {setting}");
        let check = run(folder, &format!("config check {line}"));
        let serve = run(folder, &format!("serve {line}"));
        assert_eq!(
            check.status.code(),
            Some(1),
            "{setting}: {}",
            stdout(&check)
        );
        assert_eq!(
            serve.status.code(),
            Some(1),
            "{setting}: {}",
            stdout(&serve)
        );
        assert!(
            stderr(&check).contains(words),
            "{setting}: {}",
            stderr(&check)
        );
        let last = stderr(&check);
        assert!(
            stderr(&serve).contains(last.trim()),
            "{setting}: check says {last}, serve says {}",
            stderr(&serve)
        );
    }
}

#[test]
fn d10_every_value_out_of_range_is_reported_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[batch]\nqueue = 0\nmax_batch = 100_000\n[models.\"a.b\".shadow]\nrate = 1.5\n";
    std::fs::write(folder.path().join("bad.toml"), text).expect("written");
    let check = run(
        folder.path(),
        "config check --config bad.toml --set requests.max_images=0",
    );
    let errors = stderr(&check);
    for words in [
        "bad.toml:2: `batch.queue`",
        "bad.toml:3: `batch.max_batch`",
        "bad.toml:5: `models.a.b.shadow.rate`",
        "--set requests.max_images: `requests.max_images`",
    ] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
}

/// A flag's time has an end as well: a clock can't be added to without one.
#[test]
fn d10_times_of_flags_have_ranges() {
    let folder = tempfile::tempdir().expect("a folder");
    let longest = u64::MAX;
    for line in [
        format!("status --admin 127.0.0.1:1 --timeout-seconds {longest}"),
        format!("status --admin 127.0.0.1:1 --watch --interval-seconds {longest}"),
        format!("health --timeout-ms {longest}"),
        format!("canary start v2 --share 1% --wait --wait-timeout-seconds {longest}"),
    ] {
        let output = run(folder.path(), &line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
    }
}

#[test]
fn d10_variables_with_one_underscore_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("models"), golden());
    let output = verb(folder.path(), "config check")
        .env("STILLHOUSE_BATCH_QUEUE", "7")
        .env("STILLHOUSE_SERVICE_HOST", "10.0.0.1")
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains(
            "STILLHOUSE_BATCH_QUEUE isn't read: did you mean `STILLHOUSE__BATCH__QUEUE`?"
        ),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[cfg(unix)]
#[test]
fn e_a_tokens_file_for_everybody_is_reported() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("models"), golden());
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "operator anna 0123456789abcdef\n").expect("written");
    let line = "config check --set admin.tokens_file=tokens";
    for (mode, reported) in [(0o644, true), (0o600, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&tokens, permissions).expect("set");
        let output = run(folder.path(), line);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(
            stderr(&output).contains("chmod o-rwx tokens"),
            reported,
            "{mode:o}"
        );
    }
}
