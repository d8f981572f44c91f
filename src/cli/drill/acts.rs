//! The steps of the drill: commands, traffic, and the expected results.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use serde_json::json;

use super::{
    BAD, GOOD, MODEL, STABLE, SURE, narration::percent, server::DrillServer, stage::Stage,
};
use crate::{control::journal, rollout::Role};

/// Requests sent between two checks whether the canary is still there.
const VARIANTS: u64 = 100;

/// It usually takes seconds; a busy machine compares less.
const JUDGED_WITHIN: Duration = Duration::from_secs(120);

impl Stage {
    /// A server with one version.
    pub(super) fn first(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.narration.step(
            "One version answers",
            "This is a server of the drill's own, on free ports, with its state in a temporary folder: nothing of yours is \
             touched. Its commands can be typed in another terminal as well, as long as the drill runs.",
        )?;
        self.started(folder);
        self.verb(&["status", MODEL])?;
        let tally = self.burst()?;
        ensure!(
            tally.versions() == [STABLE],
            "only {STABLE} should have answered, not {:?}",
            tally.versions()
        );
        Ok(())
    }

    /// A canary that an operator sees failing and removes.
    pub(super) fn bad_canary(&mut self) -> anyhow::Result<()> {
        self.narration.step(
            "A bad canary",
            "bad-blind never saw a bag or a sandal. It loads, and it passes its own golden samples: only its answers \
             show it. It gets a tenth of the requests.",
        )?;
        self.change(&[
            "canary", "start", BAD, "--share", "10%", "--reason", "drill",
        ])?;
        let tally = self.burst()?;
        self.verb(&["status", MODEL])?;
        let (Some(canary), Some(stable)) = (tally.of(Role::Canary), tally.of(Role::Stable)) else {
            bail!(
                "of {} requests none reached the canary; take more --requests",
                tally.requests
            );
        };
        self.narration.say(&format!(
            "\nThe result: the canary is right in {} of its answers, stable in {}. Wrong answers:",
            percent(canary.right, canary.answers),
            percent(stable.right, stable.answers)
        ));
        self.narration.mistakes(BAD, canary);
        self.narration.mistakes(STABLE, stable);

        self.narration.step(
            "Remove it",
            "One step removes the canary. Stable was never away, and answers the next request.",
        )?;
        self.change(&["canary", "abort", "--reason", "blind to bags and sandals"])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)
    }

    /// A canary that only the judge watches.
    pub(super) fn judged_canary(&mut self) -> anyhow::Result<()> {
        self.narration.step(
            "A bad canary that no operator watches",
            "bad-overconfident gives the labels that s1 gives, and is far too sure of them: the labels alone don't show it. It begins \
             dark, without a share; the judge has every answer of s1 run through it and through the teacher, and compares.",
        )?;
        self.change(&["canary", "start", SURE, "--automatic", "--reason", "drill"])?;
        let began = Instant::now();
        let mut sent = 0;
        while self.assignment()?.canary.is_some() {
            ensure!(
                began.elapsed() < JUDGED_WITHIN,
                "the judge hasn't decided after {sent} requests; `stillhouse evidence --admin {}` shows what it waits for",
                self.server.admin
            );
            self.show_variants(VARIANTS)?;
            sent += VARIANTS;
        }
        self.narration.say(&format!(
            "\n{sent} requests and {:.1} s later the canary has been removed; no request failed, and the canary answered none.",
            began.elapsed().as_secs_f64()
        ));
        self.verb(&["evidence", "--model", MODEL])?;
        self.verb(&["history", "--limit", "2", "--model", MODEL])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)
    }

    /// A canary that is promoted, and then rolled back.
    pub(super) fn good_canary(&mut self) -> anyhow::Result<()> {
        self.narration.step(
            "A good canary",
            "s2 is a larger student of the same teacher. Again a tenth of the traffic, and the same check.",
        )?;
        self.change(&[
            "canary", "start", GOOD, "--share", "10%", "--reason", "drill",
        ])?;
        let tally = self.burst()?;
        self.verb(&["status", MODEL])?;
        if let Some(canary) = tally.of(Role::Canary) {
            self.narration.mistakes(GOOD, canary);
        }

        self.narration.step(
            "Promote",
            "s2 becomes stable by changing one pointer; s1 stays loaded as `previous`.",
        )?;
        self.change(&["promote", "--reason", "its answers look right"])?;
        let tally = self.burst()?;
        self.only(&tally, GOOD)?;

        self.narration.step(
            "Roll back",
            "Another team reports that it depends on s1. The rollback is one step and loads nothing.",
        )?;
        self.change(&["rollback", "--reason", "something else depends on s1"])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)
    }

    /// The server is killed and started again.
    pub(super) fn crash(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.narration.step(
            "Crash",
            "kill -9: no shutdown, no cleaning up. Every change was on disk before it was served.",
        )?;
        let before = self.assignment()?;
        let command = format!("kill -9 {}", self.server.id());
        self.server.kill()?;
        let text = "It has ended. The same server is started again:";
        self.narration.shown(&command, &json!(before), text);
        self.server = DrillServer::start(folder)?;
        let after = self.assignment()?;
        ensure!(
            before == after,
            "the deployment came back as {after:?}, not as {before:?}"
        );
        self.started(folder);
        self.verb(&["status", MODEL])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)?;
        self.verb(&["history", "--model", MODEL])?;
        let state = folder.join("state");
        let verified = journal::verify(&state)?;
        let command = format!("stillhouse audit verify --state {}", state.display());
        let text = format!("{} lines, every hash and number is correct", verified.lines);
        let answer = json!({ "good": true, "lines": verified.lines, "head": verified.head });
        self.narration.shown(&command, &answer, &text);
        self.narration.say(&format!(
            "\nThe same generation {}, the same versions.",
            after.generation
        ));
        Ok(())
    }
}
