//! Requests to the admin API.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::Names;
use crate::quantity::Time;

/// One request, and what may come of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Shown on the plot.
    pub name: String,
    #[serde(default = "post")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub body: Option<Value>,
    #[serde(default)]
    pub precondition: Precondition,
    /// Statuses that are right.
    #[serde(default = "ok")]
    pub accept: Vec<u16>,
}

/// For which generation an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precondition {
    /// The one there is: its ETag is asked for just before, and sent as If-Match.
    #[default]
    Current,
    /// Any: `?force=true`.
    Force,
    /// The request takes none.
    None,
}

/// An order at its time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Timed")]
pub struct Event {
    at: Time,
    every: Option<Time>,
    times: Option<u32>,
    pub order: Order,
}

/// In the file both stand in one table; serde's `flatten` would let unknown keys pass.
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
            order: Order {
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
    /// When it happens, since the run's beginning.
    pub fn times(&self) -> anyhow::Result<Vec<Duration>> {
        let count = self.times.unwrap_or(1);
        let every = match self.every {
            Some(every) => every.0,
            None => {
                ensure!(
                    count == 1,
                    "event `{}` is to happen {count} times: say `every`",
                    self.order.name
                );
                Duration::ZERO
            }
        };
        ensure!(
            count > 0,
            "event `{}` never happens: `times` is 0",
            self.order.name
        );
        Ok((0..count).map(|index| self.at.0 + every * index).collect())
    }
}

impl Order {
    /// With names put in.
    pub fn named(&self, names: &Names) -> anyhow::Result<Self> {
        let context = || format!("order `{}`", self.name);
        let path = names.fill(&self.path).with_context(context)?;
        ensure!(
            path.starts_with('/'),
            "order `{}`: the path `{path}` must begin with /",
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

    /// Where the model's generation can be asked for.
    pub fn model_path(&self) -> anyhow::Result<String> {
        let parts: Vec<&str> = self.path.split(['/', '?']).take(4).collect();
        match parts[..] {
            ["", "admin", "models", model] => Ok(format!("/admin/models/{model}")),
            _ => anyhow::bail!(
                "order `{}`: {} isn't below /admin/models/<model>, so there is no generation to ask for: say \
                 precondition = \"none\"",
                self.name,
                self.path
            ),
        }
    }

    /// Path and query as they are sent.
    pub fn target(&self) -> String {
        match self.precondition {
            Precondition::Force if self.path.contains('?') => format!("{}&force=true", self.path),
            Precondition::Force => format!("{}?force=true", self.path),
            Precondition::Current | Precondition::None => self.path.clone(),
        }
    }
}
