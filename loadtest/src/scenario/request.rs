//! Requests to the admin API.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::names::Names;
use crate::quantity::Time;

/// One request and the statuses that it may be answered with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminRequest {
    /// Name for messages and the plot.
    pub name: String,
    #[serde(default = "post")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub body: Option<Value>,
    #[serde(default)]
    pub precondition: Precondition,
    /// Accepted statuses.
    #[serde(default = "ok")]
    pub accept: Vec<u16>,
}

/// The generation for which a request is valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precondition {
    /// The current one: its ETag is requested just before, and sent as If-Match.
    #[default]
    Current,
    /// Any generation: `?force=true`.
    Force,
    /// The endpoint takes no precondition.
    None,
}

/// A request that is sent at a given time, once or several times.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Timed")]
pub(crate) struct Event {
    at: Time,
    every: Option<Time>,
    times: Option<u32>,
    pub request: AdminRequest,
}

/// An event as in the file, where both are one table. serde's `flatten` would accept unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timed {
    at: Time,
    every: Option<Time>,
    times: Option<u32>,
    name: String,
    #[serde(default = "post")]
    method: String,
    path: String,
    body: Option<Value>,
    #[serde(default)]
    precondition: Precondition,
    #[serde(default = "ok")]
    accept: Vec<u16>,
}

impl From<Timed> for Event {
    fn from(timed: Timed) -> Self {
        Self {
            at: timed.at,
            every: timed.every,
            times: timed.times,
            request: AdminRequest {
                name: timed.name,
                method: timed.method,
                path: timed.path,
                body: timed.body,
                precondition: timed.precondition,
                accept: timed.accept,
            },
        }
    }
}

fn post() -> String {
    "POST".into()
}

fn ok() -> Vec<u16> {
    vec![200]
}

impl Event {
    /// When it happens, since the start of the run.
    pub(crate) fn times(&self) -> anyhow::Result<Vec<Duration>> {
        let count = self.times.unwrap_or(1);
        let every = match self.every {
            Some(every) => every.0,
            None => {
                ensure!(
                    count == 1,
                    "event `{}` is to happen {count} times: set `every`",
                    self.request.name
                );
                Duration::ZERO
            }
        };
        ensure!(
            count > 0,
            "event `{}` never happens: `times` is 0",
            self.request.name
        );
        Ok((0..count).map(|index| self.at.0 + every * index).collect())
    }
}

impl AdminRequest {
    /// A copy with placeholders replaced.
    pub(crate) fn with_names(&self, names: &Names) -> anyhow::Result<Self> {
        let context = || format!("request `{}`", self.name);
        let path = names.fill(&self.path).with_context(context)?;
        ensure!(
            path.starts_with('/'),
            "request `{}`: the path `{path}` must begin with /",
            self.name
        );
        Ok(Self {
            name: names.fill(&self.name).with_context(context)?,
            path,
            body: self
                .body
                .as_ref()
                .map(|body| names.fill_json(body))
                .transpose()
                .with_context(context)?,
            ..self.clone()
        })
    }

    /// The path whose response has the model's generation.
    ///
    /// # Errors
    /// A path that isn't below a model's.
    pub(crate) fn model_path(&self) -> anyhow::Result<String> {
        let parts: Vec<&str> = self.path.split(['/', '?']).take(4).collect();
        match parts[..] {
            ["", "admin", "models", model] => Ok(format!("/admin/models/{model}")),
            _ => anyhow::bail!(
                "request `{}`: {} isn't below /admin/models/<model>, so there is no generation to ask for: set \
                 precondition = \"none\"",
                self.name,
                self.path
            ),
        }
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        match self.precondition {
            Precondition::Force if self.path.contains('?') => format!("{}&force=true", self.path),
            Precondition::Force => format!("{}?force=true", self.path),
            Precondition::Current | Precondition::None => self.path.clone(),
        }
    }
}
