//! What keeps a verb from its end, with the next thing to type.

use std::fmt::Write;

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
    #[error("{}{}", .0.detail, next(.0))]
    Problem(Box<Problem>),
    #[error("{}", faster(.problem, .lines))]
    Stale {
        problem: Box<Problem>,
        /// What was done since, newest first.
        lines: Vec<Line>,
    },
}

/// The next command to type, where there is one; it begins a line of its own.
fn next(problem: &Problem) -> String {
    let next = match &*problem.code {
        "unauthorized" => {
            "put the secret of a viewer or operator into STILLHOUSE_TOKEN, or an operator's into STILLHOUSE_OPERATOR_TOKEN"
        }
        "viewer_may_not_change" => "put an operator's secret into STILLHOUSE_TOKEN",
        "foreign_host" => "say --admin with an address, such as 127.0.0.1:8081",
        "no_route" => {
            "this may be the data plane's address; the banner of `stillhouse serve` names the admin listener in the line `operators`"
        }
        "unknown_model" => "stillhouse status",
        "unknown_version" | "version_missing" => "stillhouse versions",
        "no_canary" => "stillhouse canary start VERSION --share 1%",
        "canary_exists" => "stillhouse canary abort, or: stillhouse promote",
        "no_previous" => "stillhouse rollback --to VERSION",
        "no_teacher" => "stillhouse teacher VERSION",
        "version_fills_a_role" | "version_in_use" | "shares_exceed_everything" => {
            "stillhouse status"
        }
        "version_exists" => "versions never change: take another name",
        _ => return String::new(),
    };
    format!("\nnext: {next}")
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
    let current: Option<&Assignment> = problem.current.as_ref();
    if let Some(current) = current {
        let _ = write!(text, "\n{}", tables::assignment(current));
    }
    text
}
