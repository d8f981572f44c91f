//! Sends requests as a client would, and counts the answers: by which version, whether right, whether as stable would
//! answer.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::{pictures::Picture, variants};
use crate::rollout::Role;

/// A server on this machine answers within this time, or not at all.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The fields of an answer that the drill reads.
#[derive(Deserialize)]
struct Answer {
    version: String,
    role: Role,
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    label: String,
}

/// Counts of one version in one role.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Count {
    /// Answers that it gave.
    pub(super) answers: u64,
    /// Answers with the picture's true label.
    pub(super) right: u64,
    /// Answers with the label that the first stable version gave to the same picture.
    pub(super) as_stable: u64,
    /// By picture: the wrong label that it gave.
    pub(super) mistakes: BTreeMap<String, String>,
}

/// The results of one burst of requests.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    pub(super) requests: u64,
    /// Requests without a prediction.
    pub(super) failed: u64,
    pub(super) seconds: f64,
    pub(super) roles: BTreeMap<Role, BTreeMap<String, Count>>,
}

impl Tally {
    /// The versions that answered, in any role.
    pub(super) fn versions(&self) -> Vec<&str> {
        let all = self.roles.values().flat_map(BTreeMap::keys);
        all.map(String::as_str).collect()
    }

    /// The counts of a role's only version.
    pub(super) fn of(&self, role: Role) -> Option<&Count> {
        self.roles.get(&role)?.values().next()
    }
}

/// A client that sends the pictures in turn.
pub(super) struct Traffic {
    agent: Agent,
    pictures: Vec<Picture>,
    variants: Vec<Vec<u8>>,
    /// Variants sent so far.
    shown: usize,
    /// The first stable version's answer to each picture.
    first: Vec<Option<String>>,
}

impl Traffic {
    pub(super) fn new(pictures: Vec<Picture>) -> anyhow::Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT));
        let files: Vec<Vec<u8>> = pictures
            .iter()
            .map(|picture| picture.bytes.clone())
            .collect();
        Ok(Self {
            agent: config.build().new_agent(),
            first: vec![None; pictures.len()],
            variants: variants::of(&files)?,
            shown: 0,
            pictures,
        })
    }

    /// Sends this many variants of the pictures, continuing where the last call ended.
    pub(super) fn show_variants(&mut self, url: &str, requests: u64) -> anyhow::Result<()> {
        for _ in 0..requests {
            let variant = &self.variants[self.shown % self.variants.len()];
            self.ask(url, variant)?
                .context("a variant of a picture was not answered")?;
            self.shown += 1;
        }
        Ok(())
    }

    /// Sends this many requests, one after the other.
    pub(super) fn send(&mut self, url: &str, requests: u64) -> anyhow::Result<Tally> {
        let mut tally = Tally {
            requests,
            failed: 0,
            seconds: 0.0,
            roles: BTreeMap::new(),
        };
        let started = Instant::now();
        for turn in 0..requests {
            let index = turn as usize % self.pictures.len();
            let picture = &self.pictures[index];
            let Some(answer) = self.ask(url, &picture.bytes)? else {
                tally.failed += 1;
                continue;
            };
            let label = &answer
                .predictions
                .first()
                .context("an answer without a class")?
                .label;
            let stable = answer.role == Role::Stable;
            if stable && self.first[index].is_none() {
                self.first[index] = Some(label.clone());
            }
            let role = tally.roles.entry(answer.role).or_default();
            let count = role.entry(answer.version).or_default();
            count.answers += 1;
            count.right += u64::from(*label == picture.label);
            count.as_stable += u64::from(self.first[index].as_ref() == Some(label));
            if *label != picture.label {
                count.mistakes.insert(picture.name.clone(), label.clone());
            }
        }
        tally.seconds = started.elapsed().as_secs_f64();
        Ok(tally)
    }

    /// None if there is no prediction.
    fn ask(&self, url: &str, picture: &[u8]) -> anyhow::Result<Option<Answer>> {
        let mut answer = self.agent.post(url).send(picture)?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        Ok(Some(answer.body_mut().read_json()?))
    }
}
