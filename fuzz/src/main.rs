//! `fuzz/run` builds this with `--cfg fuzzing`; libFuzzer then has the main function, and the environment names the target.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzing {
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
}

/// Without libFuzzer: the names of all targets, for `fuzz/run`.
#[cfg(not(fuzzing))]
fn main() {
    for (name, _) in stillhouse_fuzz::TARGETS {
        println!("{name}");
    }
}
