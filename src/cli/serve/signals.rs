//! The signals of a server, on a thread of their own: whatever the other threads are doing, a signal takes effect.
//!
//! SIGTERM and SIGINT end the server after a drain, and the process at the latest two seconds after the drain's end. A second
//! one ends it at once, if it comes a second or more after the first: a process manager, a shell and a container's init may
//! each pass on the same one. SIGHUP has the server reread what it can.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc as sync_mpsc,
    thread,
    time::{Duration, Instant},
};

use stillhouse_engine::end_process;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    time::sleep,
};

/// A second signal to end counts from this time after the first.
const REPEATED: Duration = Duration::from_secs(1);

/// The process ends at the latest this long after the time for its drain.
const LAST_RESORT: Duration = Duration::from_millis(1700);

/// What the signals tell the server.
pub(super) struct Signals {
    /// Completes when the server is to end.
    pub(super) stop: oneshot::Receiver<()>,
    /// Yields each time the server is to reread.
    pub(super) reread: mpsc::Receiver<()>,
}

/// Every signal that is listened to.
struct Sources {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether the log goes to a terminal: when that is closed, SIGHUP means its end.
    has_terminal: bool,
}

enum Event {
    Stop,
    Reread,
}

/// From now on signals do what is described above; `drain` is the time that requests have to end.
pub(super) fn listen(drain: Duration) -> io::Result<Signals> {
    let (stop, stopped) = oneshot::channel();
    let (reread, rereads) = mpsc::channel(1);
    let (ready, readiness) = sync_mpsc::channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async move {
                let sources = match Sources::new() {
                    Ok(sources) => sources,
                    Err(error) => return ready.send(Err(error)).unwrap_or_default(),
                };
                let _ = ready.send(Ok(()));
                sources.follow(drain, stop, reread).await
            });
        })?;
    let lost = |_| io::Error::other("the thread that listens to signals has died");
    readiness.recv().map_err(lost)??;
    Ok(Signals {
        stop: stopped,
        reread: rereads,
    })
}

impl Sources {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: io::stderr().is_terminal(),
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hangup.recv() => match self.has_terminal && !io::stderr().is_terminal() {
                true => Event::Stop,
                false => Event::Reread,
            },
        }
    }

    async fn follow(
        mut self,
        drain: Duration,
        stop: oneshot::Sender<()>,
        reread: mpsc::Sender<()>,
    ) {
        while let Event::Reread = self.next().await {
            // Full: it is about to reread anyway.
            let _ = reread.try_send(());
        }
        let first = Instant::now();
        let _ = stop.send(());
        let ends = async {
            loop {
                match self.next().await {
                    Event::Stop if first.elapsed() >= REPEATED => return,
                    Event::Stop => tracing::info!("the same signal again within a second"),
                    Event::Reread => {}
                }
            }
        };
        tokio::select! {
            () = ends => {
                tracing::warn!("a second signal: ending now");
                end_now(130)
            }
            () = sleep(drain + LAST_RESORT) => {
                tracing::error!("the drain is over and something doesn't end: ending now");
                end_now(1)
            }
        }
    }
}

/// Ends the process although threads are still in runs.
pub(super) fn end_now(code: i32) -> ! {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    end_process(code)
}
