//! Background tasks under supervision: none of them ends without a trace.
//!
//! The rule:
//!
//! | task                                                | when it panics or ends                                             |
//! |-----------------------------------------------------|--------------------------------------------------------------------|
//! | `judge`                                             | restarted; the evidence of canaries on trial is marked as lost     |
//! | `unload`                                            | restarted; it recomputes what is due                               |
//! | `arrivals`, with the thread that watches the repository | the process ends with an error, after it has answered what it has |
//! | `data_listener`, `admin_listener`                   | the same                                                           |
//!
//! What is restarted keeps nothing between two rounds that a restart could leave half done. What isn't restarted either can't
//! be (a listener's socket is gone with it) or would go on having missed something; an orchestrator starts the process anew.
//! Each restart is an error in the log and counts in `stillhouse_background_task_restarts_total`.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use prometheus::IntCounterVec;
use tokio::task::JoinSet;

use stillhouse_metrics::Metrics;

/// Before a restart, so that a task that panics at once doesn't fill the log.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// A task that the process can't go on without has ended.
#[derive(Debug, thiserror::Error)]
#[error("the background task `{task}` has ended: {cause}")]
pub struct TaskEnded {
    task: &'static str,
    cause: String,
}

/// Owns the background tasks of a server; dropped, it ends them.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<TaskEnded>,
    restarts: IntCounterVec,
}

impl Supervisor {
    /// Registers the counter of restarts.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            tasks: JoinSet::new(),
            restarts: metrics.counters(
                "background_task_restarts_total",
                "Background tasks that panicked and were started again.",
                &["task"],
            ),
        }
    }

    /// Runs a task that is started again when it panics, after `recover` has mended what the panic may have damaged.
    pub fn spawn_restarted<F>(
        &mut self,
        task: &'static str,
        start: impl Fn() -> F + Send + 'static,
        recover: impl Fn() + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        // A counter that begins with its first event shows no increase.
        let restarts = self.restarts.with_label_values(&[task]);
        self.tasks.spawn(async move {
            while let Err(panic) = AssertUnwindSafe(start()).catch_unwind().await {
                let panic = message(panic.as_ref());
                tracing::error!(task, panic, "a background task panicked and is restarted");
                restarts.inc();
                recover();
                tokio::time::sleep(RESTART_PAUSE).await;
            }
            TaskEnded {
                task,
                cause: "it returned".into(),
            }
        });
    }

    /// Runs a task that the process can't go on without; its end, however it comes, is a failure.
    pub fn spawn_required(
        &mut self,
        task: &'static str,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.spawn(async move {
            let cause = match AssertUnwindSafe(run).catch_unwind().await {
                Ok(()) => "it returned".into(),
                Err(panic) => format!("it panicked: {}", message(panic.as_ref())),
            };
            TaskEnded { task, cause }
        });
    }

    /// Waits until a task has ended for good; for ever where there is none.
    pub async fn failure(&mut self) -> TaskEnded {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return ended,
                // Only what was aborted; panics are caught above.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all tasks and waits until they are gone, with everything that they hold.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_recovered_restarted_and_counted() {
        let mut tasks = Supervisor::new(&Metrics::new());
        let [started, recovered] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (starts, recoveries) = (started.clone(), recovered.clone());
        tasks.spawn_restarted(
            "judge",
            move || {
                let nth = starts.fetch_add(1, SeqCst);
                async move { assert!(nth >= 2, "the {nth}th start panics") }
            },
            move || {
                recoveries.fetch_add(1, SeqCst);
            },
        );
        let ended = tasks.failure().await.to_string();
        assert_eq!(ended, "the background task `judge` has ended: it returned");
        assert_eq!((started.load(SeqCst), recovered.load(SeqCst)), (3, 2));
        assert_eq!(tasks.restarts.with_label_values(&["judge"]).get(), 2);
    }

    #[tokio::test]
    async fn a_required_task_is_missed_however_it_ends() {
        let mut tasks = Supervisor::new(&Metrics::new());
        tasks.spawn_required("forever", std::future::pending());
        tasks.spawn_required("arrivals", async {});
        assert!(tasks.failure().await.to_string().contains("`arrivals`"));
        tasks.spawn_required("data_listener", async { panic!("a bug") });
        let ended = tasks.failure().await.to_string();
        assert!(ended.contains("`data_listener`") && ended.contains("a bug"));
        tasks.shutdown().await;
    }
}
