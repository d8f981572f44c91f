//! The drill's output: text for a reader who presses Enter, or JSON.

use std::{
    io::{self, IsTerminal, Write},
    time::Instant,
};

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use super::traffic::{Count, Tally};
use crate::cli::{
    operator::{Operator, quoted},
    output::Stdout,
};

/// A line as it is typed.
#[derive(Parser)]
#[command(name = "stillhouse")]
struct Line {
    #[command(subcommand)]
    verb: Operator,
}

/// One step, for programs.
struct DrillStep {
    title: &'static str,
    started: Instant,
    /// Commands, traffic and findings, in order.
    done: Vec<Value>,
}

pub(super) struct Narration {
    json: bool,
    wait: bool,
    steps: Vec<DrillStep>,
}

impl Narration {
    pub(super) fn new(json: bool, yes: bool) -> Self {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        Self {
            json,
            wait: terminal && !yes && !json,
            steps: Vec::new(),
        }
    }

    /// Begins a step when the reader presses Enter.
    pub(super) fn step(&mut self, title: &'static str, words: &str) -> anyhow::Result<()> {
        if self.wait && !self.steps.is_empty() {
            say_text!("\n[Enter continues, Ctrl-C ends] ");
            Stdout.flush()?;
            if io::stdin().read_line(&mut String::new())? == 0 {
                anyhow::bail!("the drill was ended from the keyboard");
            }
        }
        self.steps.push(DrillStep {
            title,
            started: Instant::now(),
            done: Vec::new(),
        });
        let number = self.steps.len();
        self.say(&format!("\n=== {number}. {title}\n{words}"));
        Ok(())
    }

    /// Only for readers.
    pub(super) fn say(&self, text: &str) {
        if !self.json {
            say!("{text}");
        }
    }

    /// Shows a command that was carried out by other means, with its result.
    pub(super) fn shown(&mut self, command: &str, answer: &Value, text: &str) {
        self.say(&format!("\n$ {command}\n{text}"));
        self.note(json!({ "command": command, "answer": answer }));
    }

    /// Shows a command of this program and runs it, as a shell would.
    pub(super) fn run(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        let command = format!("stillhouse {}", words.join(" "));
        self.say(&format!("\n$ {command}"));
        let json = self.json.then_some("--json");
        let typed = ["stillhouse"].iter().chain(arguments).copied().chain(json);
        let verb = Line::try_parse_from(typed)?.verb;
        let mut text = Vec::new();
        verb.run(&mut text)?;
        if self.json {
            let answer: Value = serde_json::from_slice(&text)?;
            self.note(json!({ "command": command, "answer": answer }));
        } else {
            Stdout.write_all(&text)?;
        }
        Ok(())
    }

    /// Shows a summary of the answers.
    pub(super) fn traffic(&mut self, tally: &Tally) {
        let answered = tally.requests - tally.failed;
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header([
            "role",
            "version",
            "answers",
            "share",
            "right",
            "as s1 answered",
        ]);
        for (role, versions) in &tally.roles {
            for (version, count) in versions {
                table.add_row([
                    role.as_str(),
                    version,
                    &count.answers.to_string(),
                    &percent(count.answers, answered),
                    &percent(count.right, count.answers),
                    &percent(count.as_stable, count.answers),
                ]);
            }
        }
        self.say(&format!(
            "\n{} requests in {:.1} s, {} of them failed:\n{table}",
            tally.requests, tally.seconds, tally.failed
        ));
        self.note(json!({ "traffic": tally }));
    }

    /// Shows which pictures a version got wrong.
    pub(super) fn mistakes(&self, version: &str, count: &Count) {
        for (picture, label) in &count.mistakes {
            self.say(&format!("  {picture}.png: {version} answered {label}"));
        }
    }

    fn note(&mut self, done: Value) {
        if let Some(step) = self.steps.last_mut() {
            step.done.push(done);
        }
    }

    /// Ends the narration.
    pub(super) fn end(self) -> anyhow::Result<()> {
        if self.json {
            let ends = self.steps.iter().skip(1).map(|step| step.started);
            let ends = ends.chain([Instant::now()]);
            let steps = self.steps.iter().zip(ends).enumerate();
            let steps = steps.map(|(index, (step, end))| {
                let seconds = (end - step.started).as_secs_f64();
                json!({ "step": index + 1, "title": step.title, "seconds": seconds, "done": step.done })
            });
            let steps: Vec<Value> = steps.collect();
            say!("{}", serde_json::to_string_pretty(&steps)?);
        }
        Ok(())
    }
}

/// `83.3%`; without any answers there is no number.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1}%", 100.0 * part as f64 / whole as f64),
    }
}
