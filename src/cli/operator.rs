//! The verbs of those who run a server: clients of its admin API, so that a terminal does what a program can.

mod address;
mod changing;
mod client;
mod confirm;
mod drift;
mod error;
mod evidence;
mod explain;
mod history;
mod pack;
mod status;
mod tables;
mod target;
mod token;
mod upload;
mod versions;
mod waiting;
mod watching;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{exit::Exit, output::Stdout};
use crate::{
    rollout::{
        Abort, Change, Plan, Promote, Rollback, SetPlan, SetSplit, SetTeacher, Share, StartCanary,
    },
    store::VersionName,
};
use changing::Changing;
use waiting::Waiting;

pub(super) use client::Client;
pub(super) use error::ClientError;
pub(super) use target::quoted;

#[derive(Subcommand)]
pub(super) enum Operator {
    /// Show who answers, with which share, and what the split really gave
    Status(status::Status),
    /// Show what is known of the canary, and what the judge makes of it
    Evidence(evidence::Evidence),
    /// Show the last hour beside the teacher: what moved, and what is only noise
    Drift(drift::Drift),
    /// Put a version on trial, change its share, take it out
    #[command(subcommand)]
    Canary(Canary),
    /// Change the shares of canary and teacher
    Split {
        #[command(flatten)]
        shares: Shares,
        #[command(flatten)]
        how: Changing,
    },
    /// Make the canary stable; the old stable version stays warm for a rollback
    Promote(Changing),
    /// Bring the previous version back, or another
    Rollback {
        /// The version that shall answer [default: the previous one]
        #[arg(long, value_name = "VERSION")]
        to: Option<VersionName>,
        #[command(flatten)]
        how: Changing,
    },
    /// Fill the teacher's role, or empty it
    Teacher {
        #[command(flatten)]
        teacher: Teacher,
        #[command(flatten)]
        how: Changing,
    },
    /// Show who changed what, newest first
    History(history::History),
    /// List the versions of a model
    Versions(versions::Versions),
    /// Load and check a version, so that a canary begins at once
    Load(versions::Load),
    /// Remove a version from memory and disk; refused while it fills a role
    Delete(versions::Delete),
    /// Send a version: its directory, or a tar, tar.gz or zip of it
    Upload(upload::Upload),
}

#[derive(Subcommand)]
pub(super) enum Canary {
    /// Put a version on trial; it is loaded and checked first
    Start {
        /// The version
        version: VersionName,
        /// Its share: percent with the sign, as in 10%, or a fraction, as in 0.1; 0 makes it a dark canary
        #[arg(long, required_unless_present = "automatic")]
        share: Option<Share>,
        /// The judge leads it along the ramp, to promotion or out; it begins dark unless --share says otherwise
        #[arg(long)]
        automatic: bool,
        #[command(flatten)]
        wait: Waiting,
        #[command(flatten)]
        how: Changing,
    },
    /// Give it another share; callers that it answers stay with it while the share grows
    Share {
        /// Percent with the sign, as in 10%, or a fraction, as in 0.1
        share: Share,
        #[command(flatten)]
        how: Changing,
    },
    /// Say who leads it from now on
    Plan {
        /// `manual` or `automatic`
        #[arg(required_unless_present = "explain")]
        plan: Option<Plan>,
        /// Only show how long a decision about an automatic canary will take at the present traffic
        #[arg(long, conflicts_with = "plan")]
        explain: bool,
        #[command(flatten)]
        how: Changing,
    },
    /// Take it out: stable answers everything again
    Abort(Changing),
}

/// At least one of them.
#[derive(Args)]
#[group(id = "shares", required = true, multiple = true)]
pub(super) struct Shares {
    /// The canary's share: percent with the sign, as in 10%, or a fraction, as in 0.1
    #[arg(long, value_name = "SHARE")]
    canary: Option<Share>,
    /// The teacher's share
    #[arg(long, value_name = "SHARE")]
    teacher: Option<Share>,
}

/// One of them.
#[derive(Args)]
#[group(id = "who", required = true, multiple = false)]
pub(super) struct Teacher {
    /// The version
    version: Option<VersionName>,
    /// Nobody
    #[arg(long)]
    none: bool,
}

impl Operator {
    /// Runs one verb for a shell.
    pub(super) fn main(&self) -> anyhow::Result<ExitCode> {
        Ok(self.run(&mut Stdout)?.into())
    }

    /// Writes what was asked for, or done, to `out`.
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<Exit> {
        if let Self::Canary(Canary::Start {
            version, wait, how, ..
        }) = self
            && wait.asked_for()
            && let Some((change, _)) = self.change()
        {
            return wait.start(how, &change, version, out);
        }
        if let Some((change, how)) = self.change() {
            how.order(&change, out)?;
            return Ok(Exit::Done);
        }
        match self {
            Self::Status(status) => status.run(out)?,
            Self::Evidence(evidence) => evidence.run(out)?,
            Self::Drift(drift) => drift.run(out)?,
            Self::History(history) => history.run(out)?,
            Self::Versions(versions) => versions.run(out)?,
            Self::Load(load) => load.run(out)?,
            Self::Delete(delete) => delete.run(out)?,
            Self::Upload(upload) => upload.run(out)?,
            Self::Canary(Canary::Plan { how, .. }) => how.explain(out)?,
            Self::Canary(_)
            | Self::Split { .. }
            | Self::Promote(_)
            | Self::Rollback { .. }
            | Self::Teacher { .. } => unreachable!("these are changes"),
        }
        Ok(Exit::Done)
    }

    /// The change that is asked for, and how it is to be made; none where only something is to be read, loaded or removed.
    fn change(&self) -> Option<(Change, &Changing)> {
        Some(match self {
            Self::Canary(Canary::Start {
                version,
                share,
                automatic,
                how,
                ..
            }) => {
                let plan = match automatic {
                    true => Plan::Automatic,
                    false => Plan::Manual,
                };
                let start = StartCanary {
                    version: version.clone(),
                    share: *share,
                    plan,
                };
                (start.into(), how)
            }
            Self::Canary(Canary::Share { share, how }) => {
                let split = SetSplit {
                    canary: Some(*share),
                    teacher: None,
                };
                (split.into(), how)
            }
            Self::Canary(Canary::Plan { plan, how, .. }) => {
                let plan = (*plan)?;
                (SetPlan { plan }.into(), how)
            }
            Self::Canary(Canary::Abort(how)) => (Abort {}.into(), how),
            Self::Split { shares, how } => {
                let Shares { canary, teacher } = *shares;
                (SetSplit { canary, teacher }.into(), how)
            }
            Self::Promote(how) => (Promote {}.into(), how),
            Self::Rollback { to, how } => (Rollback { to: to.clone() }.into(), how),
            Self::Teacher { teacher, how } => {
                let version = teacher.version.clone();
                (SetTeacher { version }.into(), how)
            }
            Self::Status(_)
            | Self::Evidence(_)
            | Self::Drift(_)
            | Self::History(_)
            | Self::Versions(_)
            | Self::Load(_)
            | Self::Delete(_)
            | Self::Upload(_) => return None,
        })
    }
}

/// JSON as programs read it and people can.
fn print(out: &mut dyn Write, json: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{json:#}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        operator: Operator,
    }

    /// The way back that a change prints must be a line that can be typed.
    #[test]
    fn every_order_is_read_from_the_command_that_it_is_written_as() {
        let share: Option<Share> = Some("2.5%".parse().expect("a share"));
        let version = || "v2".parse::<VersionName>().expect("a name");
        let start = |share, plan| StartCanary {
            version: version(),
            share,
            plan,
        };
        for change in [
            Change::from(start(share, Plan::Manual)),
            start(share, Plan::Automatic).into(),
            start(None, Plan::Automatic).into(),
            SetPlan {
                plan: Plan::Automatic,
            }
            .into(),
            SetSplit {
                canary: share,
                teacher: None,
            }
            .into(),
            SetSplit {
                canary: share,
                teacher: share,
            }
            .into(),
            Promote {}.into(),
            Abort {}.into(),
            Rollback { to: None }.into(),
            Rollback {
                to: Some(version()),
            }
            .into(),
            SetTeacher { version: None }.into(),
            SetTeacher {
                version: Some(version()),
            }
            .into(),
        ] {
            let command = change.spelling().command;
            let words = ["stillhouse"].into_iter().chain(command.split(' '));
            let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
            let (read, _) = line.operator.change().expect("a change");
            assert_eq!(read, change, "{command}");
        }
    }
}
