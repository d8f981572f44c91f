//! Looking once, or again and again.

use std::{io::Write, thread, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::{ClientError, print};
use crate::cli::output;

#[derive(Args)]
pub(super) struct Watching {
    /// Again and again, until Ctrl-C; with --json one object a line
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval_seconds: u64,
}

impl Watching {
    /// Shows what `look` sees, as text or as the JSON that it came as.
    pub(super) fn run<T>(
        &self,
        json: bool,
        out: &mut dyn Write,
        look: impl Fn() -> Result<(T, Value), ClientError>,
        text: impl Fn(&T) -> String,
    ) -> anyhow::Result<()> {
        let (view, value) = look()?;
        if !self.watch {
            match json {
                true => print(out, &value)?,
                false => writeln!(out, "{}", text(&view))?,
            }
            return Ok(());
        }
        let mut seen = Ok::<_, ClientError>((view, value));
        loop {
            // A server that restarts is worth waiting for.
            if !json {
                output::clear();
            }
            match (&seen, json) {
                (Ok((_, value)), true) => writeln!(out, "{value}")?,
                (Ok((view, _)), false) => writeln!(out, "{}", text(view))?,
                (Err(error), true) => writeln!(out, "{}", json!({ "error": error.to_string() }))?,
                (Err(error), false) => writeln!(out, "error: {error}")?,
            }
            out.flush()?;
            thread::sleep(Duration::from_secs(self.interval_seconds));
            seen = look();
        }
    }
}
