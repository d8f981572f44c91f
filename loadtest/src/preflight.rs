//! One request before the load: whether the server answers at all, and what its labels are.

use std::borrow::Cow;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use crate::{
    answer,
    client::{Connection, Fault, Http1, Target, request},
    generator::{Check, Job, Protocol},
};

/// Asks about the first picture; the labels of the model that answered, where it tells them.
pub fn ask(job: &Job) -> anyhow::Result<Option<Vec<String>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = match job.protocol {
            Protocol::Http1 => Connection::one(&job.target, job.timeout),
            Protocol::Http2 => Connection::two(&crate::client::Shared::new(&job.target), job.timeout),
        };
        let sent = &job.pictures[0];
        let (target, path) = (&job.target, sent.path.display());
        let status = connection.ask(&job.requests[0]).await.map_err(|fault| unreachable(target, &fault))?;
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
                 look at statuses only"
            )
        })?;
        Ok(labels(job, &answer.model).await)
    })
}

fn unreachable(target: &Target, fault: &Fault) -> anyhow::Error {
    let hint = match fault {
        Fault::Connect(_) => "\nIs the server running? `make serve` starts it; --url names another",
        Fault::Protocol(_) | Fault::Closed(_) => {
            "\nIs it the right port, and does it speak this HTTP (--http 1 or 2)?"
        }
        Fault::Timeout => "\n--timeout sets how long is waited",
    };
    anyhow!("{target}: {} ({}){hint}", fault.reason(), fault.detail())
}

/// From the model's description; a server without one has none that are known.
async fn labels(job: &Job, model: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Described {
        labels: Vec<String>,
    }

    let mut connection = Http1::new(job.target.address, job.timeout);
    let bytes = request(&job.target, "GET", &format!("/models/{model}"), &[], None);
    let status = connection.ask(&bytes).await.ok()?;
    let described: Described = serde_json::from_slice(connection.body())
        .context("no description")
        .ok()
        .filter(|_| status == 200)?;
    Some(described.labels)
}
