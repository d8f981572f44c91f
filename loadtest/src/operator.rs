//! Carries out a scenario's orders over the admin API, and writes down when and how that went.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use crate::{
    client::{Http1, Target, request},
    clock::Clock,
    generator::Live,
    scenario::{Order, Precondition},
};

/// A load may take its time.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How soon it is noticed that the run ended early.
const NOTICE: Duration = Duration::from_millis(50);

/// An order that was given.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// When it was given, since the run's beginning.
    pub at_seconds: f64,
    pub took_seconds: f64,
    pub name: String,
    pub request: String,
    pub status: Option<u16>,
    /// After it, where the server told.
    pub generation: Option<String>,
    /// Whether the status was one of those expected.
    pub ok: bool,
    /// What the server or the connection said where it was not.
    pub error: Option<String>,
}

/// Orders that came to an end before the last one.
#[derive(Debug)]
pub struct Stopped {
    /// So many had been accepted.
    pub carried_out: usize,
    pub error: anyhow::Error,
}

/// A client of the admin API.
pub struct Operator {
    target: Target,
    token: Option<String>,
}

impl Operator {
    pub fn new(target: Target, token: Option<String>) -> Self {
        Self { target, token }
    }

    /// Orders before or after the run. The first that isn't accepted ends them.
    pub fn carry_out(&self, orders: &[Order]) -> Result<(), Stopped> {
        let mut carried_out = 0;
        let all = self.on_runtime(async |connection| {
            for order in orders {
                let done = self.give(connection, order, 0.0).await;
                if !done.ok {
                    let said = done.error.unwrap_or_default();
                    bail!(
                        "`{}` ({}) was not carried out: {said}",
                        done.name,
                        done.request
                    );
                }
                carried_out += 1;
            }
            Ok(())
        });
        all.flatten()
            .map_err(|error| Stopped { carried_out, error })
    }

    /// Orders at their times, until the run ends.
    pub fn accompany(
        &self,
        orders: &[(Duration, Order)],
        clock: Clock,
        live: &Live,
    ) -> anyhow::Result<Vec<Done>> {
        self.on_runtime(async |connection| {
            let mut done = Vec::new();
            'orders: for (at, order) in orders {
                let at_ns = at.as_nanos() as u64;
                while clock.now_ns() < at_ns {
                    if live.stop.load(Relaxed) {
                        break 'orders;
                    }
                    let wait = Duration::from_nanos(at_ns.saturating_sub(clock.now_ns()));
                    tokio::time::sleep(wait.min(NOTICE)).await;
                }
                let seconds = clock.now_ns() as f64 * 1e-9;
                done.push(self.give(connection, order, seconds).await);
            }
            done
        })
    }

    /// A metric of the server's without labels, where it tells.
    pub fn metric(&self, name: &str) -> Option<f64> {
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

    async fn give(&self, connection: &mut Http1, order: &Order, at_seconds: f64) -> Done {
        let begun = Instant::now();
        let given = self.send(connection, order).await;
        let (status, error) = match &given {
            Ok(status) => (Some(*status), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let ok = status.is_some_and(|status| order.accept.contains(&status));
        let said = || {
            let body = String::from_utf8_lossy(connection.body());
            format!(
                "{}: {}",
                status.unwrap_or_default(),
                body.chars().take(300).collect::<String>()
            )
        };
        Done {
            at_seconds,
            took_seconds: begun.elapsed().as_secs_f64(),
            name: order.name.clone(),
            request: format!("{} {}", order.method, order.target()),
            status,
            generation: connection
                .header("etag")
                .filter(|_| ok)
                .map(|tag| tag.trim_matches('"').to_owned()),
            error: error.or_else(|| (!ok).then(said)),
            ok,
        }
    }

    async fn send(&self, connection: &mut Http1, order: &Order) -> anyhow::Result<u16> {
        let mut headers = self.headers();
        if order.precondition == Precondition::Current {
            let path = order.model_path()?;
            let (status, body) = self.get(connection, &path).await?;
            ensure!(status == 200, "GET {path} answered {status}: {body}");
            let tag = connection
                .header("etag")
                .with_context(|| format!("GET {path} gave no ETag"))?;
            headers.push(("if-match".into(), tag));
        }
        let body = order
            .body
            .as_ref()
            .map(|body| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("content-type".into(), "application/json".into()));
        }
        // A POST without a body still has a length.
        let body = body.unwrap_or_default();
        let bytes = request(
            &self.target,
            &order.method,
            &order.target(),
            &headers,
            Some(&body),
        );
        self.ask(connection, &bytes).await
    }

    async fn get(&self, connection: &mut Http1, path: &str) -> anyhow::Result<(u16, String)> {
        let bytes = request(&self.target, "GET", path, &self.headers(), None);
        let status = self.ask(connection, &bytes).await?;
        Ok((
            status,
            String::from_utf8_lossy(connection.body()).into_owned(),
        ))
    }

    async fn ask(&self, connection: &mut Http1, bytes: &[u8]) -> anyhow::Result<u16> {
        let answered = connection.ask(bytes).await;
        answered.map_err(|fault| {
            let (target, reason, detail) = (&self.target, fault.reason(), fault.detail());
            anyhow::anyhow!("{target}: {reason} ({detail})")
        })
    }

    fn headers(&self) -> Vec<(String, String)> {
        let bearer = |token: &String| ("authorization".to_owned(), format!("Bearer {token}"));
        self.token.iter().map(bearer).collect()
    }
}
