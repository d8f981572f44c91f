//! One request before the load starts: does the server answer, and which labels does the model have?

use std::borrow::Cow;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use crate::{
    answer,
    client::{Connection, Http1, RequestError, Target, request_bytes},
    generator::{Check, Job, Protocol},
};

/// Sends the first picture. Returns the labels of the model that answered, if its description has them.
///
/// # Errors
/// A server that can't be reached or doesn't answer as it should, with a suggestion of what to try.
pub(crate) fn check(job: &Job) -> anyhow::Result<Option<Vec<String>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = match job.protocol {
            Protocol::Http1 => Connection::http1(&job.target, job.timeout),
            Protocol::Http2 => Connection::http2(&crate::client::Http2Connection::new(&job.target), job.timeout),
        };
        let sent = &job.pictures[0];
        let (target, path) = (&job.target, sent.path.display());
        let status = connection.send(&job.requests[0]).await.map_err(|error| unreachable(target, &error))?;
        let body = connection.body();
        let text: Cow<str> = String::from_utf8_lossy(body);
        if !(200..300).contains(&status) {
            bail!("{target} answered {status} to {path}: {text}\nTry: curl -sS -i --data-binary @{path} '{target}'");
        }
        if job.check == Check::Status {
            return Ok(None);
        }
        let answer = answer::read(body).map_err(|error| {
            anyhow!(
                "{target} answered {status} to {path}, but not as Stillhouse does ({error}): {text}\nAdd --check status to \
                 check statuses only"
            )
        })?;
        Ok(labels(job, &answer.model).await)
    })
}

fn unreachable(target: &Target, error: &RequestError) -> anyhow::Error {
    let hint = match error {
        RequestError::Connect(_) => {
            "\nIs the server running? `make serve` starts it; --url gives another address"
        }
        RequestError::Protocol(_) | RequestError::Closed(_) => {
            "\nIs it the right port, and does the server support this version of HTTP (--http 1 or 2)?"
        }
        RequestError::Timeout => "\n--timeout sets the time limit",
    };
    anyhow!("{target}: {} ({}){hint}", error.reason(), error.detail())
}

/// The labels from the model's description; `None` if the server has no such description.
async fn labels(job: &Job, model: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Described {
        labels: Vec<String>,
    }

    let mut connection = Http1::new(job.target.address, job.timeout);
    let bytes = request_bytes(&job.target, "GET", &format!("/models/{model}"), &[], None);
    let status = connection.send(&bytes).await.ok()?;
    let described: Described = serde_json::from_slice(connection.body())
        .context("no description")
        .ok()
        .filter(|_| status == 200)?;
    Some(described.labels)
}
