//! A change: read the deployment, show what would come out, ask, carry it out, print the way back.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde_json::Value;
use ureq::http::{Method, header};
use uuid::Uuid;

use super::{
    Client, ClientError,
    client::Ask,
    confirm::{can_ask, confirmed},
    evidence,
    explain::explain,
    print, tables,
    target::Target,
};
use crate::{
    control::EvidenceReport,
    http::admin::{ChangedView, DeploymentView, HistoryView, Instruction, KEY},
    rollout::Change,
};

/// How a change is to be made.
#[derive(Args)]
pub(in crate::cli) struct Changing {
    #[command(flatten)]
    target: Target,
    /// Only show what would come out
    #[arg(long, help_heading = "Change")]
    dry_run: bool,
    /// Why, for the audit log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Change"
    )]
    reason: String,
    /// Don't ask
    #[arg(long, short, help_heading = "Change")]
    yes: bool,
    /// The generation that this is meant for, as status shows it [default: what is there now]
    #[arg(long, value_name = "N", help_heading = "Change")]
    generation: Option<u64>,
    /// Do it on whatever generation is there
    #[arg(long, conflicts_with = "generation", help_heading = "Change")]
    force: bool,
}

/// A change that was carried out, or tried.
pub(super) struct Placed {
    pub(super) client: Client,
    pub(super) model: String,
    pub(super) changed: ChangedView,
    /// As it came, with a way back that leads there from here.
    pub(super) value: Value,
}

impl Changing {
    /// Whether JSON is asked for.
    pub(super) fn json(&self) -> bool {
        self.target.server.json
    }

    /// Changes nothing: shows how long a decision about a canary will take.
    pub(super) fn explain(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        explain(&self.target, out)
    }

    /// Carries a change out and prints what it did.
    pub(super) fn order(&self, change: &Change, out: &mut dyn Write) -> anyhow::Result<()> {
        self.show(&self.carry_out(change)?, out)
    }

    /// Shows what would come out and asks, where somebody can answer; then carries the change out, or only tries it.
    pub(super) fn carry_out(&self, change: &Change) -> anyhow::Result<Placed> {
        let (client, model) = self.target.find()?;
        let generation = match self.generation {
            Some(generation) => generation,
            None => {
                let path = format!("/admin/models/{model}");
                client.get::<DeploymentView>(&path)?.0.assignment.generation
            }
        };
        let order = PendingOrder {
            client: &client,
            instruction: Instruction::new(&model, change),
            model: model.clone(),
            generation,
        };
        // Who promotes without having looked should see what the judge would say.
        if matches!(change, Change::Promote(_)) && !self.json() {
            note_verdict(&client, &model);
        }
        if !self.dry_run && !self.yes && can_ask() {
            let (trial, _) = self.send(&order, true)?;
            note!("{}", tables::changed(&trial));
            if trial.changed && !confirmed("carry it out?")? {
                bail!("nothing was changed");
            }
        }
        let (changed, value) = self.send(&order, self.dry_run)?;
        Ok(Placed {
            client,
            model,
            changed,
            value,
        })
    }

    fn send(
        &self,
        order: &PendingOrder,
        dry_run: bool,
    ) -> Result<(ChangedView, Value), ClientError> {
        let mut body = order.instruction.body.clone();
        if !self.reason.is_empty() {
            body["reason"] = self.reason.clone().into();
        }
        let mut headers = Vec::new();
        let mut path = format!("{}?dry_run={dry_run}", order.instruction.path);
        if self.force {
            path += "&force=true";
        } else {
            headers.push((header::IF_MATCH, format!("\"{}\"", order.generation)));
        }
        if !dry_run {
            let key = header::HeaderName::from_static(KEY);
            headers.push((key, Uuid::now_v7().to_string()));
        }
        let ask = Ask {
            method: Method::from_bytes(order.instruction.method.as_bytes()).expect("a method"),
            path: &path,
            headers,
            wait: order.client.patience(),
        };
        let answer = order.client.order(&ask, &body, !dry_run);
        let (changed, mut value): (ChangedView, Value) = match answer {
            Ok(value) => order.client.read(&path, value)?,
            Err(ClientError::Problem(refused)) if refused.problem.code == "stale_generation" => {
                // The refusal is what matters; failing to find out which change came first must not hide it.
                let lines = order.since().unwrap_or_default();
                let problem = Box::new(refused.problem);
                return Err(ClientError::Stale { problem, lines });
            }
            Err(error) => return Err(error),
        };
        // What is printed must lead back from here, not only from beside the server.
        if let Some(command) = value.pointer_mut("/undo/command")
            && let Some(text) = command.as_str()
        {
            *command = format!("{text}{}", self.target.server.flags()).into();
        }
        Ok((changed, value))
    }

    /// Prints what a change did.
    pub(super) fn show(&self, placed: &Placed, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.json() {
            return Ok(print(out, &placed.value)?);
        }
        writeln!(out, "{}", tables::changed(&placed.changed))?;
        if let Some(command) = placed.value["undo"]["command"].as_str() {
            writeln!(out, "undo: {command}")?;
        }
        Ok(())
    }
}

/// Prints the judge's verdict on the canary to standard error. A promotion doesn't depend on it, nor on its being there.
fn note_verdict(client: &Client, model: &str) {
    let path = format!("/admin/models/{model}/evidence");
    if let Ok((report, _)) = client.get::<EvidenceReport>(&path)
        && let Some(trial) = &report.on_trial
    {
        note!(
            "the judge on {}: {}",
            trial.canary,
            evidence::verdict(trial)
        );
    }
}

struct PendingOrder<'a> {
    client: &'a Client,
    instruction: Instruction,
    model: String,
    generation: u64,
}

impl PendingOrder<'_> {
    /// What was changed after the generation that this order was made for, newest first.
    fn since(&self) -> Result<Vec<crate::control::journal::Line>, ClientError> {
        let path = format!("/admin/models/{}/history", self.model);
        let (mut history, _) = self.client.get::<HistoryView>(&path)?;
        history.entries.retain(|line| {
            let to = line.entry.to.as_ref();
            to.is_some_and(|to| to.generation > self.generation)
        });
        Ok(history.entries)
    }
}
