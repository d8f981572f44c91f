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
    control::validation::{Task, Validated, ValidationResult},
    golden::preflight,
    store::Repository,
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
        confine(&task)?;
        // The server reports the last line of standard error, which must be the panic and not the advice about backtraces.
        std::panic::set_hook(Box::new(|panic| note!("{panic}")));
        fail::fail_point!("validate::begin");

        let verdict = validate(&task).map_or_else(
            |error| ValidationResult::Refused(one_line(&format!("{error:#}"))),
            ValidationResult::Good,
        );
        say!("{}", serde_json::to_string(&verdict)?);
        Ok(ExitCode::SUCCESS)
    }
}

fn validate(task: &Task) -> anyhow::Result<Validated> {
    let engine = task.engine.resolve()?;
    let repository = Repository::open(&task.repository)?;
    // The server lowered this process's priority before it began; the pauses between steps are taken here.
    let priority = Priority::Background;
    let files = priority.run(|| repository.read(&task.model, &task.version))?;
    Ok(Validated {
        engine: preflight(&files, &engine, &prepare, priority)?,
        sha256: files.manifest.file.sha256,
    })
}

/// Limits memory, so that the server isn't affected, and disables core dumps, which would hold the golden samples.
fn confine(task: &Task) -> anyhow::Result<()> {
    let at_most = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Core, at_most(0)).context("can't turn cores off")?;
    // Not the address space: engines reserve far more of that than they use.
    setrlimit(Resource::Data, at_most(task.memory_bytes)).context("can't limit the memory")
}

fn one_line(text: &str) -> String {
    let chars = text.chars().take(MAX_REASON_CHARS);
    chars
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}
