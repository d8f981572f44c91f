//! The acts of the drill: what is typed, what is sent, what must come of it.

use std::{path::Path, time::Duration};

use anyhow::{bail, ensure};
use serde_json::json;

use super::{
    BAD, GOOD, MODEL, STABLE,
    house::House,
    telling::{Telling, percent},
    traffic::{Tally, Traffic},
};
use crate::{
    cli::operator::Client,
    control::journal,
    http::admin::DeploymentView,
    rollout::{Assignment, Role},
};

/// Longer than reading from a server on this machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server, who speaks to it, and who tells of it.
pub(super) struct Stage {
    pub(super) telling: Telling,
    pub(super) house: House,
    pub(super) traffic: Traffic,
    pub(super) requests: u64,
}

impl Stage {
    pub(super) fn first(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.telling.step(
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

    pub(super) fn bad_canary(&mut self) -> anyhow::Result<()> {
        self.telling.step(
            "A bad canary",
            "bad-blind never saw a bag or a sandal. It loads, and it passes its own golden samples: nothing but its answers \
             tells. It gets a tenth of the requests.",
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
        self.telling.say(&format!(
            "\nWhat to see: the canary is right in {} of its answers, stable in {}. Wrong were:",
            percent(canary.right, canary.answers),
            percent(stable.right, stable.answers)
        ));
        self.telling.mistakes(BAD, canary);
        self.telling.mistakes(STABLE, stable);

        self.telling.step(
            "Out with it",
            "One step takes the canary out. Stable was never away, and the next request is its own.",
        )?;
        self.change(&["canary", "abort", "--reason", "blind to bags and sandals"])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)
    }

    pub(super) fn good_canary(&mut self) -> anyhow::Result<()> {
        self.telling.step(
            "A good canary",
            "s2 is a larger student of the same teacher. The same tenth, the same look.",
        )?;
        self.change(&[
            "canary", "start", GOOD, "--share", "10%", "--reason", "drill",
        ])?;
        let tally = self.burst()?;
        self.verb(&["status", MODEL])?;
        if let Some(canary) = tally.of(Role::Canary) {
            self.telling.mistakes(GOOD, canary);
        }

        self.telling.step(
            "Promote",
            "s2 becomes stable by one pointer; s1 stays warm as `previous`.",
        )?;
        self.change(&["promote", "--reason", "no worse than s1"])?;
        let tally = self.burst()?;
        self.only(&tally, GOOD)?;

        self.telling.step(
            "Roll back",
            "Somebody calls: something else depends on s1. The way back is one step and loads nothing.",
        )?;
        self.change(&["rollback", "--reason", "something else depends on s1"])?;
        let tally = self.burst()?;
        self.only(&tally, STABLE)
    }

    pub(super) fn crash(mut self, folder: &Path) -> anyhow::Result<Self> {
        self.telling.step(
            "Crash",
            "kill -9: no farewell, no cleaning up. Every change was on disk before it was served.",
        )?;
        let before = self.assignment()?;
        let command = format!("kill -9 {}", self.house.id());
        let Self {
            mut telling,
            house,
            traffic,
            requests,
        } = self;
        house.kill()?;
        telling.shown(
            &command,
            &json!(before),
            "It is dead. The same is started again:",
        );
        let mut stage = Self {
            house: House::start(folder)?,
            telling,
            traffic,
            requests,
        };
        let after = stage.assignment()?;
        ensure!(
            before == after,
            "the deployment came back as {after:?}, not as {before:?}"
        );
        stage.started(folder);
        stage.verb(&["status", MODEL])?;
        let tally = stage.burst()?;
        stage.only(&tally, STABLE)?;
        stage.verb(&["history", "--model", MODEL])?;
        let state = folder.join("state");
        let verified = journal::verify(&state)?;
        let command = format!("stillhouse audit verify --state {}", state.display());
        let text = format!("{} lines, every hash and number holds", verified.lines);
        let answer = json!({ "good": true, "lines": verified.lines, "head": verified.head });
        stage.telling.shown(&command, &answer, &text);
        stage.telling.say(&format!(
            "\nThe same generation {}, the same versions.",
            after.generation
        ));
        Ok(stage)
    }

    /// Tells that the server was started.
    fn started(&mut self, folder: &Path) {
        let config = folder.join("stillhouse.toml");
        let command = format!("stillhouse serve --config {}", config.display());
        let (data, admin) = (&self.house.data, &self.house.admin);
        let answer = json!({ "data": data, "admin": admin, "process": self.house.id() });
        let text = format!("it answers at {data}, admin at {admin}");
        self.telling.shown(&command, &answer, &text);
    }

    /// A verb for the drill's server, as a user would type it.
    fn verb(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let admin = self.house.admin.clone();
        self.telling.run(&[words, &["--admin", &admin]].concat())
    }

    /// A verb that changes something: Enter was pressed for it already.
    fn change(&mut self, words: &[&str]) -> anyhow::Result<()> {
        self.verb(&[words, &["--model", MODEL, "--yes"]].concat())
    }

    fn burst(&mut self) -> anyhow::Result<Tally> {
        let url = format!("{}/models/{MODEL}/predict", self.house.data);
        let tally = self.traffic.send(&url, self.requests)?;
        self.telling.traffic(&tally);
        Ok(tally)
    }

    fn only(&self, tally: &Tally, version: &str) -> anyhow::Result<()> {
        ensure!(
            tally.versions() == [version] && tally.failed == 0,
            "{version} should have answered everything, but {:?} did, and {} requests failed",
            tally.versions(),
            tally.failed
        );
        self.telling
            .say(&format!("Every answer is {version}'s; none failed."));
        Ok(())
    }

    fn assignment(&self) -> anyhow::Result<Assignment> {
        let client = Client::new(&self.house.admin, PATIENCE)?;
        let path = format!("/admin/models/{MODEL}");
        Ok(client.get::<DeploymentView>(&path)?.0.assignment)
    }
}
