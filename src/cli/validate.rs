//! `stillhouse validate`: the child process of [`crate::control::validation`]. Hidden, since only the server calls it.

use std::{
    io::{self, BufRead, Read},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};
use stillhouse_engine::{Priority, prepare};

use super::caller::end_with_the_caller;
use crate::{
    control::validation::{Subject, Task, Validated, ValidationResult},
    store::Repository,
    version::try_out,
};

/// Longer than any task, but limited.
const MAX_TASK_BYTES: u64 = 64 << 10;

/// Even if every character is escaped, the line stays within what the server reads.
const MAX_REASON_CHARS: usize = 1000;

#[derive(Args)]
pub(super) struct Validate;

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        // Failpoints exist in the tests' build only.
        let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
        let mut line = String::new();
        io::stdin()
            .lock()
            .take(MAX_TASK_BYTES)
            .read_line(&mut line)?;
        let task: Task =
            serde_json::from_str(&line).context("`validate` is called by the server alone")?;
        end_with_the_caller(|| std::process::abort());
        confine(task.memory_bytes)?;
        // The failpoint of one version, so that a server can start although another one is to fail.
        fail::fail_point!(format!("validate::{}", task.subject.version).as_str());

        say_verdict(validate(&task.subject))
    }
}

/// Writes what came of it, for the server.
pub(super) fn say_verdict(found: anyhow::Result<Validated>) -> anyhow::Result<ExitCode> {
    let verdict = found.map_or_else(
        |error| ValidationResult::Refused(one_line(&format!("{error:#}"))),
        ValidationResult::Good,
    );
    say!("{}", serde_json::to_string(&verdict)?);
    Ok(ExitCode::SUCCESS)
}

fn validate(subject: &Subject) -> anyhow::Result<Validated> {
    let repository = Repository::open(&subject.repository)?;
    // The server lowered this process's priority before it began; the pauses between steps are taken here.
    let priority = match subject.beside_traffic {
        true => Priority::Background,
        false => Priority::Foreground,
    };
    let files = priority.run(|| repository.read(&subject.model, &subject.version))?;
    let (engine, batch) = (&subject.engine, &subject.batch);
    let found = try_out(&files, engine, batch, &prepare, priority)?;
    Ok(Validated {
        engine: found.engine,
        sha256: files.manifest.file.sha256,
        warmup: found.warmup,
    })
}

/// Limits memory, so that the server isn't affected, and disables core dumps, which would hold the golden samples. A panic is the
/// last line of standard error, which the server reports, and not the advice about backtraces.
pub(super) fn confine(memory_bytes: u64) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(|panic| note!("{panic}")));
    let at_most = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Core, at_most(0)).context("can't turn cores off")?;
    // Not the address space: engines reserve far more of that than they use.
    setrlimit(Resource::Data, at_most(memory_bytes)).context("can't limit the memory")
}

fn one_line(text: &str) -> String {
    let chars = text.chars().take(MAX_REASON_CHARS);
    chars
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}
