//! Sends a scenario's requests to the admin API and records when each was sent and how it ended.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use crate::{
    client::{Http1, Target, request_bytes},
    clock::Clock,
    run_progress::RunProgress,
    scenario::{AdminRequest, Precondition},
};

/// Generous, because loading a version may take long.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How often the stop flag is checked while waiting.
const NOTICE: Duration = Duration::from_millis(50);

/// A request that was sent to the admin API, and its result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RequestReport {
    /// When it was sent, since the start of the run.
    pub at_seconds: f64,
    pub took_seconds: f64,
    pub name: String,
    pub request: String,
    pub status: Option<u16>,
    /// The generation after it, from the response's ETag.
    pub generation: Option<String>,
    /// Whether the status was one of the accepted ones.
    pub ok: bool,
    /// The response or the connection error if it wasn't.
    pub error: Option<String>,
}

/// A sequence of requests that ended early because one of them failed.
#[derive(Debug)]
pub(crate) struct RequestsFailed {
    /// Number of requests that had been accepted before.
    pub accepted: usize,
    pub error: anyhow::Error,
}

/// A client of the admin API.
pub(crate) struct AdminClient {
    target: Target,
    token: Option<String>,
}

impl AdminClient {
    pub(crate) fn new(target: Target, token: Option<String>) -> Self {
        Self { target, token }
    }

    /// Sends requests one after the other, before or after the run; stops at the first that isn't accepted.
    pub(crate) fn send_all(&self, requests: &[AdminRequest]) -> Result<(), RequestsFailed> {
        let mut accepted = 0;
        let all = self.on_runtime(async |connection| {
            for request in requests {
                let done = self.perform(connection, request, 0.0).await;
                if !done.ok {
                    let reason = done.error.unwrap_or_default();
                    bail!(
                        "`{}` ({}) was not accepted: {reason}",
                        done.name,
                        done.request
                    );
                }
                accepted += 1;
            }
            Ok(())
        });
        all.flatten()
            .map_err(|error| RequestsFailed { accepted, error })
    }

    /// Sends each request at its time, until the run ends.
    pub(crate) fn send_at_times(
        &self,
        requests: &[(Duration, AdminRequest)],
        clock: Clock,
        run_progress: &RunProgress,
    ) -> anyhow::Result<Vec<RequestReport>> {
        self.on_runtime(async |connection| {
            let mut done = Vec::new();
            'requests: for (at, request) in requests {
                let at_ns = at.as_nanos() as u64;
                while clock.now_ns() < at_ns {
                    if run_progress.stop.load(Relaxed) {
                        break 'requests;
                    }
                    let wait = Duration::from_nanos(at_ns.saturating_sub(clock.now_ns()));
                    tokio::time::sleep(wait.min(NOTICE)).await;
                }
                let seconds = clock.now_ns() as f64 * 1e-9;
                done.push(self.perform(connection, request, seconds).await);
            }
            done
        })
    }

    /// The value of a metric without labels; `None` if the server doesn't export it.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (status, text) = self
            .on_runtime(async |connection| self.get(connection, "/metrics").await)
            .ok()?
            .ok()?;
        let line = (status == 200).then(|| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        });
        line.flatten()?.trim().parse().ok()
    }

    fn on_runtime<T>(&self, work: impl AsyncFnOnce(&mut Http1) -> T) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut connection = Http1::new(self.target.address, TIMEOUT);
        Ok(runtime.block_on(work(&mut connection)))
    }

    async fn perform(
        &self,
        connection: &mut Http1,
        request: &AdminRequest,
        at_seconds: f64,
    ) -> RequestReport {
        let begun = Instant::now();
        let sent = self.send(connection, request).await;
        let (status, error) = match &sent {
            Ok(status) => (Some(*status), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let ok = status.is_some_and(|status| request.accept.contains(&status));
        let describe_response = || {
            let body = String::from_utf8_lossy(connection.body());
            format!(
                "{}: {}",
                status.unwrap_or_default(),
                body.chars().take(300).collect::<String>()
            )
        };
        RequestReport {
            at_seconds,
            took_seconds: begun.elapsed().as_secs_f64(),
            name: request.name.clone(),
            request: format!("{} {}", request.method, request.target()),
            status,
            generation: connection
                .header("etag")
                .filter(|_| ok)
                .map(|tag| tag.trim_matches('"').to_owned()),
            error: error.or_else(|| (!ok).then(describe_response)),
            ok,
        }
    }

    async fn send(&self, connection: &mut Http1, request: &AdminRequest) -> anyhow::Result<u16> {
        let mut headers = self.headers();
        if request.precondition == Precondition::Current {
            let path = request.model_path()?;
            let (status, body) = self.get(connection, &path).await?;
            ensure!(status == 200, "GET {path} answered {status}: {body}");
            let tag = connection
                .header("etag")
                .with_context(|| format!("GET {path} gave no ETag"))?;
            headers.push(("if-match".into(), tag));
        }
        let body = request
            .body
            .as_ref()
            .map(|body| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("content-type".into(), "application/json".into()));
        }
        // A POST without a body still needs a Content-Length.
        let body = body.unwrap_or_default();
        let bytes = request_bytes(
            &self.target,
            &request.method,
            &request.target(),
            &headers,
            Some(&body),
        );
        self.ask(connection, &bytes).await
    }

    async fn get(&self, connection: &mut Http1, path: &str) -> anyhow::Result<(u16, String)> {
        let bytes = request_bytes(&self.target, "GET", path, &self.headers(), None);
        let status = self.ask(connection, &bytes).await?;
        Ok((
            status,
            String::from_utf8_lossy(connection.body()).into_owned(),
        ))
    }

    async fn ask(&self, connection: &mut Http1, bytes: &[u8]) -> anyhow::Result<u16> {
        let answered = connection.send(bytes).await;
        answered.map_err(|error| {
            let (target, reason, detail) = (&self.target, error.reason(), error.detail());
            anyhow::anyhow!("{target}: {reason} ({detail})")
        })
    }

    fn headers(&self) -> Vec<(String, String)> {
        let bearer = |token: &String| ("authorization".to_owned(), format!("Bearer {token}"));
        self.token.iter().map(bearer).collect()
    }
}
