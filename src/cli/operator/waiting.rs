//! `stillhouse canary start --wait`: for pipelines, which need to know how a canary ended.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{
    Client, ClientError,
    changing::{Changing, Placed},
    evidence, print,
};
use crate::{
    cli::{
        exit::Exit,
        output::{progress, progress_ends},
    },
    control::{EvidenceReport, TrialReport},
    http::admin::DeploymentView,
    rollout::{Assignment, Change},
    store::VersionName,
};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What is waited for if nothing is said: a day.
const DAY_SECONDS: u64 = 24 * 3600;

/// Whether to wait for a canary's end.
#[derive(Args)]
pub(in crate::cli) struct Waiting {
    /// Wait for the canary's end; exit code 0: promoted, 3: rolled back, aborted or replaced, 4: not decided in time
    #[arg(long, conflicts_with = "dry_run", help_heading = "Wait")]
    wait: bool,
    /// Seconds after which --wait gives up; the canary goes on [default: 86400]
    #[arg(long, value_name = "N", requires = "wait", help_heading = "Wait",
        value_parser = clap::value_parser!(u64).range(1..=366 * DAY_SECONDS))]
    wait_timeout_seconds: Option<u64>,
}

/// How a canary ended, for the one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Promoted,
    /// Stable answers what it answered.
    TakenOut,
    /// Somebody has put another version on trial, or this one once more.
    Replaced,
}

impl Waiting {
    pub(super) fn asked_for(&self) -> bool {
        self.wait
    }

    /// Starts the canary and waits for its end.
    pub(super) fn start(
        &self,
        how: &Changing,
        change: &Change,
        version: &VersionName,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let began = Instant::now();
        let seconds = self.wait_timeout_seconds.unwrap_or(DAY_SECONDS);
        let placed = how.carry_out(change)?;
        if !how.json() {
            how.show(&placed, out)?;
            out.flush()?;
        }
        let rollout = placed.changed.after.rollout;
        let mut last = String::new();
        let ended = loop {
            match look(&placed)? {
                Some((now, report)) => {
                    if let Some(ending) = ending(&now, version, rollout) {
                        break Some((ending, now, report));
                    }
                    let line = report.on_trial.as_ref().map(line).unwrap_or_default();
                    // Off a terminal, where lines stay, each is worth its place.
                    if line != last && !line.is_empty() {
                        progress(&line);
                        last = line;
                    }
                }
                None => last = "the server doesn't answer".into(),
            }
            let left = Duration::from_secs(seconds).saturating_sub(began.elapsed());
            if left.is_zero() {
                break None;
            }
            thread::sleep(LOOK.min(left));
        };
        progress_ends();
        let model = &placed.model;
        let (word, exit) = match &ended {
            Some((Ending::Promoted, ..)) => ("promoted", Exit::Done),
            Some((Ending::TakenOut, ..)) => ("taken_out", Exit::NotPromoted),
            Some((Ending::Replaced, ..)) => ("replaced", Exit::NotPromoted),
            None => ("undecided", Exit::Undecided),
        };
        let trial = ended.and_then(|(_, _, report)| report.last.map(|last| last.trial));
        let trial = trial.filter(|trial| trial.canary == version.as_str());
        if how.json() {
            let done = json!({"model": model, "version": version, "outcome": word, "waited_seconds": began.elapsed().as_secs(),
                "exit_code": exit.code(), "change": placed.value, "trial": trial});
            print(out, &done)?;
            return Ok(exit);
        }
        match exit {
            Exit::Done => writeln!(out, "{model}: {version} is stable now")?,
            Exit::Undecided => writeln!(
                out,
                "{model}: {version} is not decided after {seconds} s and goes on; `stillhouse evidence --model {model}{0}` shows \
                 why, `stillhouse canary abort --model {model}{0}` ends it",
                placed.client.flags()
            )?,
            _ => writeln!(out, "{model}: {version} was {}", word.replace('_', " "))?,
        }
        if let Some(trial) = trial {
            writeln!(out, "{}", evidence::verdict(&trial))?;
        }
        Ok(exit)
    }
}

/// Who answers, and what is known of the canary; none while the server doesn't answer, since one that restarts is worth
/// waiting for.
fn look(placed: &Placed) -> anyhow::Result<Option<(Assignment, EvidenceReport)>> {
    let path = format!("/admin/models/{}", placed.model);
    let read = |client: &Client| -> Result<(Assignment, EvidenceReport), ClientError> {
        let (view, _) = client.get::<DeploymentView>(&path)?;
        let (report, _) = client.get(&format!("{path}/evidence"))?;
        Ok((view.assignment, report))
    };
    match read(&placed.client) {
        Ok(seen) => Ok(Some(seen)),
        Err(error @ ClientError::Problem(_)) => bail!(error),
        Err(_) => Ok(None),
    }
}

/// How the canary of this rollout ended; none while it is on trial.
fn ending(now: &Assignment, version: &VersionName, rollout: u64) -> Option<Ending> {
    let same = now.rollout == rollout;
    match &now.canary {
        Some(canary) if canary == version && same => None,
        _ if now.stable == *version => Some(Ending::Promoted),
        Some(_) => Some(Ending::Replaced),
        None => Some(Ending::TakenOut),
    }
}

/// `s2: 5%, hold, 312 pairs`, without what changes at every look.
fn line(trial: &TrialReport) -> String {
    format!(
        "{}: share {}, {}, {} pairs and {} answers at it",
        trial.canary,
        trial.share,
        trial.decision.replace('_', " "),
        rounded(trial.step_pairs),
        rounded(trial.step_answers)
    )
}

/// To one digit, so that a log gets a line now and then and not one a second.
fn rounded(count: u64) -> String {
    let scale = 10u64.pow(count.checked_ilog10().unwrap_or(0));
    match count {
        0..10 => count.to_string(),
        _ => format!("{}+", count / scale * scale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_the_end_of_a_canary_is_known_from_who_answers() {
        let name = |text: &str| text.parse::<VersionName>().expect("a name");
        let on_trial = Assignment {
            rollout: 3,
            canary: Some(name("v2")),
            ..Assignment::first(name("v1"))
        };
        let without = |stable: &str, canary: Option<&str>, rollout| Assignment {
            stable: name(stable),
            canary: canary.map(name),
            rollout,
            ..on_trial.clone()
        };
        for (now, expected) in [
            (on_trial.clone(), None),
            (without("v2", None, 3), Some(Ending::Promoted)),
            (without("v2", Some("v3"), 4), Some(Ending::Promoted)),
            (without("v1", None, 3), Some(Ending::TakenOut)),
            (without("v1", Some("v3"), 4), Some(Ending::Replaced)),
            (without("v1", Some("v2"), 4), Some(Ending::Replaced)),
        ] {
            assert_eq!(ending(&now, &name("v2"), 3), expected, "{now:?}");
        }
    }

    #[test]
    fn counts_are_rounded_down_to_a_digit() {
        for (count, text) in [
            (0, "0"),
            (9, "9"),
            (10, "10+"),
            (312, "300+"),
            (99_999, "90000+"),
        ] {
            assert_eq!(rounded(count), text);
        }
    }
}
