//! `stillhouse history`

use std::io::Write;

use clap::Args;

use super::{
    print,
    tables::{safe, time, with_header},
    target::ReadTarget,
};
use crate::{control::journal::Entry, http::admin::HistoryView, rollout::Assignment};

#[derive(Args)]
pub(in crate::cli) struct History {
    /// Entries at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    #[command(flatten)]
    target: ReadTarget,
}

impl History {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let path = format!("/admin/models/{model}/history?limit={}", self.limit);
        let (history, json) = client.get::<HistoryView>(&path)?;
        if self.target.server.json {
            return Ok(print(out, &json)?);
        }
        let mut table = with_header(["line", "when, who", "what, and then", "why"]);
        for line in &history.entries {
            let entry = &line.entry;
            table.add_row([
                line.seq.to_string(),
                format!("{}\n{}", time(entry.time), safe(&entry.actor)),
                match &entry.to {
                    Some(to) => format!("{}\n{}", what(entry), short(to)),
                    None => what(entry),
                },
                safe(&entry.reason),
            ]);
        }
        writeln!(out, "{table}")?;
        writeln!(out, "--json has everything, also what was there before")?;
        if history.unreadable > 0 {
            writeln!(
                out,
                "warning: {} lines of the log can't be read; see `stillhouse audit verify`",
                history.unreadable
            )?;
        }
        Ok(())
    }
}

/// The action, with the version where no deployment names it.
fn what(entry: &Entry) -> String {
    let version = entry.detail.as_ref().and_then(|detail| {
        let version = detail.get("version")?.as_str()?;
        Some(format!("{} {}", entry.action, safe(version)))
    });
    version.unwrap_or_else(|| entry.action.clone())
}

/// `3: s1 + canary s2 10%`
fn short(assignment: &Assignment) -> String {
    let mut text = format!("{}: {}", assignment.generation, assignment.stable);
    if let Some(canary) = &assignment.canary {
        text += &format!(" + canary {canary} {}", assignment.split.canary);
    }
    if let Some(teacher) = &assignment.teacher {
        text += &format!(" + teacher {teacher} {}", assignment.split.teacher);
    }
    text
}
