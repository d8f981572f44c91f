//! One line of the doctor's report.

use std::fmt;

use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    Ok,
    /// A server starts and answers; it may not do so for long, or somebody may read too much.
    Warning,
    /// A server doesn't start, or doesn't do what it should.
    Failed,
}

/// What was looked at, how it is, and what to type.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// `configuration`, `models`, `state`, `limits`, `engine` or `server`.
    pub(super) area: &'static str,
    pub(super) health: Health,
    pub(super) text: String,
    /// A command, or what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Finding {
    pub(super) fn ok(area: &'static str, text: impl Into<String>) -> Self {
        Self::new(area, Health::Ok, text, None)
    }

    pub(super) fn warning(
        area: &'static str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(area, Health::Warning, text, Some(next.into()))
    }

    pub(super) fn failed(
        area: &'static str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(area, Health::Failed, text, Some(next.into()))
    }

    fn new(
        area: &'static str,
        health: Health,
        text: impl Into<String>,
        next: Option<String>,
    ) -> Self {
        let text = text.into();
        Self {
            area,
            health,
            text,
            next,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.health {
            Health::Ok => "ok",
            Health::Warning => "warning",
            Health::Failed => "failed",
        };
        // Further lines stand below the first.
        let indented = |text: &str| text.replace('\n', "\n                       ");
        write!(f, "{word:<8} {:<13} {}", self.area, indented(&self.text))?;
        match &self.next {
            Some(next) => write!(f, "\n                       next: {}", indented(next)),
            None => Ok(()),
        }
    }
}
