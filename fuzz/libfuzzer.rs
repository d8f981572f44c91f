//! libFuzzer has the main function; the environment variable `FUZZ_TARGET` names the target.

#![no_main]

use std::sync::LazyLock;

use stillhouse_fuzz::{TARGETS, Target, target};

/// One program for all targets: it is built once, which takes longer than a minute of fuzzing.
static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        let known = TARGETS.map(|(name, _)| name).join(", ");
        panic!("FUZZ_TARGET is `{name}`; it must be one of {known}")
    })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (*CHOSEN)(data));
