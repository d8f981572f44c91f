//! The expected answers.

use std::{cell::Cell, path::Path};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::process::Server;

/// Each version's answer to the picture, obtained by asking for the version by name.
pub(crate) struct Expected {
    by_version: Vec<(String, Value)>,
    pub answers: Cell<usize>,
}

impl Expected {
    pub(crate) fn of(server: &Server, picture: &[u8]) -> anyhow::Result<Self> {
        let url = format!("http://{}/predict", server.address);
        let ask = |role: &str| -> anyhow::Result<(String, Value)> {
            let mut reply = ureq::post(&url)
                .header("x-stillhouse-role", role)
                .send(picture)?;
            let mut answer: Value = reply.body_mut().read_json()?;
            let version = answer["version"].as_str().context("a version")?.to_owned();
            Ok((version, answer["predictions"].take()))
        };
        let by_version = vec![ask("stable")?, ask("canary")?];
        ensure!(
            by_version[0].1 != by_version[1].1,
            "the versions can't be distinguished"
        );
        Ok(Self {
            by_version,
            answers: Cell::new(0),
        })
    }

    pub(crate) fn check(&self, body: &[u8]) -> anyhow::Result<()> {
        let answer: Value = serde_json::from_slice(body)?;
        let named = answer["version"].as_str().context("a version")?;
        let known = self.by_version.iter().find(|(version, _)| version == named);
        let (_, expected) = known.with_context(|| format!("{named} was never deployed"))?;
        let pairs = |value: &Value| -> Vec<(u64, f64)> {
            let predictions = value.as_array().into_iter().flatten();
            predictions
                .map(|one| {
                    (
                        one["class"].as_u64().unwrap_or(u64::MAX),
                        one["probability"].as_f64().unwrap_or(f64::NAN),
                    )
                })
                .collect()
        };
        // A batch's size changes the last digits; another version changes the first.
        let (found, expected) = (pairs(&answer["predictions"]), pairs(expected));
        let close = found
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a.1 - b.1).abs() < 1e-4);
        ensure!(
            found.len() == expected.len() && close,
            "{named} answered {answer}"
        );
        self.answers.set(self.answers.get() + 1);
        Ok(())
    }
}

/// The first of the golden samples.
pub(crate) fn sample(repository: &Path) -> anyhow::Result<String> {
    let folder = std::fs::read_dir(repository.join("fashion/s1/golden"))?;
    let mut names: Vec<String> = folder
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".png"))
        .collect();
    names.sort();
    names.into_iter().next().context("a golden sample")
}
