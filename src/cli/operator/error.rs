//! What keeps a verb from its end, with the next thing to type.

use std::fmt::{self, Write};

use crate::{control::journal::Line, http::error::Problem, rollout::Assignment};

use super::tables;

/// Each says what would be right.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    #[error(
        "--admin {0}: the admin API speaks plain http; where it is elsewhere, bring it here with \
         `ssh -L 8081:127.0.0.1:8081 HOST` and say --admin 127.0.0.1:8081"
    )]
    Https(String),
    #[error("--admin {0}: write HOST:PORT, or http://HOST:PORT")]
    Address(String),
    #[error("{0} holds characters that no token has")]
    Token(&'static str),
    #[error(
        "nobody answers at {address} ({source})\n\
         is the server running? `stillhouse serve` prints where its admin listener is, in the line `operators`; \
         say so with --admin HOST:PORT or in STILLHOUSE_ADMIN"
    )]
    Unreachable {
        address: String,
        source: ureq::Error,
    },
    #[error(
        "{address} took longer than {seconds} s to answer; `stillhouse status` shows what came of it, \
         --timeout-seconds waits longer"
    )]
    Silent { address: String, seconds: u64 },
    #[error("the connection to {address} broke: {source}")]
    Broken {
        address: String,
        source: ureq::Error,
    },
    #[error("{address} is no admin listener of Stillhouse: it answers {path} with status {status}")]
    Foreign {
        address: String,
        path: String,
        status: u16,
    },
    #[error("{0}")]
    Problem(Box<Refused>),
    #[error("{}", faster(.problem, .lines))]
    Stale {
        problem: Box<Problem>,
        /// What was done since, newest first.
        lines: Vec<Line>,
    },
}

impl ClientError {
    /// A word for programs.
    pub(in crate::cli) fn code(&self) -> &str {
        match self {
            Self::Https(_) | Self::Address(_) => "address_invalid",
            Self::Token(_) => "token_invalid",
            Self::Unreachable { .. } => "unreachable",
            Self::Silent { .. } => "timed_out",
            Self::Broken { .. } => "connection_broken",
            Self::Foreign { .. } => "not_stillhouse",
            Self::Problem(refused) => &refused.problem.code,
            Self::Stale { problem, .. } => &problem.code,
        }
    }

    /// The server's own words, where it answered.
    pub(in crate::cli) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(refused) => Some(&refused.problem),
            Self::Stale { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

/// A request that the server refused.
#[derive(Debug)]
pub(in crate::cli) struct Refused {
    pub(super) problem: Problem,
    /// What to type now.
    pub(super) next: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.detail)?;
        match &self.next {
            Some(next) => write!(f, "\nnext: {next}"),
            None => Ok(()),
        }
    }
}

/// What a request was about, so that the command which is proposed can be typed as it stands.
pub(super) struct Context<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) flags: &'a str,
    pub(super) has_token: bool,
}

impl Context<'_> {
    /// The next thing to do, where there is one.
    pub(super) fn next(&self, code: &str) -> Option<String> {
        let model = self
            .model
            .map_or_else(String::new, |model| format!(" --model {model}"));
        let flags = self.flags;
        let verb = |verb: &str| format!("stillhouse {verb}{model}{flags}");
        Some(match code {
            "unauthorized" if self.has_token => {
                "the secret in STILLHOUSE_TOKEN (or STILLHOUSE_OPERATOR_TOKEN) is none of this server's; compare it with \
                 the server's admin.tokens_file"
                    .into()
            }
            "unauthorized" => {
                "put the secret of a viewer or operator into STILLHOUSE_TOKEN, or an operator's into STILLHOUSE_OPERATOR_TOKEN"
                    .into()
            }
            "viewer_may_not_change" => "put an operator's secret into STILLHOUSE_TOKEN".into(),
            "foreign_host" => "say --admin with an address, such as 127.0.0.1:8081".into(),
            "no_route" => {
                "this may be the data plane's address; the banner of `stillhouse serve` names the admin listener in the line `operators`"
                    .into()
            }
            // Without the model: there is none of this name.
            "unknown_model" => format!("stillhouse status{flags}"),
            "unknown_version" | "version_missing" => verb("versions"),
            "no_canary" => verb("canary start VERSION --share 1%"),
            "canary_exists" => format!("{}, or: {}", verb("canary abort"), verb("promote")),
            "no_previous" => verb("rollback --to VERSION"),
            "no_teacher" => verb("teacher VERSION"),
            "version_fills_a_role" | "version_in_use" | "shares_exceed_everything" => verb("status"),
            "version_exists" => "versions never change: take another name".into(),
            _ => return None,
        })
    }
}

/// Who was faster, and what is there now.
fn faster(problem: &Problem, lines: &[Line]) -> String {
    let mut text = problem.detail.clone();
    for line in lines {
        let entry = &line.entry;
        let _ = write!(
            text,
            "\n{} did {} at {}",
            entry.actor,
            entry.action,
            tables::time(entry.time)
        );
        if !entry.reason.is_empty() {
            let _ = write!(text, ": {}", tables::safe(&entry.reason));
        }
    }
    let current: Option<&Assignment> = problem.current.as_deref();
    if let Some(current) = current {
        let _ = write!(text, "\n{}", tables::assignment(current));
    }
    text
}
