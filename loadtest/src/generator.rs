//! Sends what a plan says: threads with a runtime and connections each, which share nothing but a few counters.

mod book;
mod slow;
mod thread;

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread as threads,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::Notify;

use crate::{
    client::{Request, Target},
    clock::{Clock, cpu_seconds},
    pictures::Picture,
    plan::Plan,
    progress,
    tally::Tally,
    witness::{Contradiction, Witness},
};

pub use slow::{SlowClients, SlowTally};

/// What to send, where and how.
pub struct Job {
    pub target: Target,
    pub protocol: Protocol,
    pub connections: usize,
    /// At a time on each connection; 1 with HTTP/1.1.
    pub streams: usize,
    pub threads: usize,
    /// From sending to the whole answer.
    pub timeout: Duration,
    pub pictures: Vec<Picture>,
    /// One for each picture.
    pub requests: Vec<Request>,
    pub check: Check,
    /// Clients that send slowly, beside all this.
    pub slow: Option<SlowClients>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1, connections kept.
    #[value(name = "1")]
    Http1,
    /// HTTP/2 without negotiation.
    #[value(name = "2")]
    Http2,
}

/// How answers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Check {
    /// Status, whether it is an answer of Stillhouse, its label, its version.
    Full,
    /// Status only: for other servers.
    Status,
}

/// What others may see and do while it runs.
#[derive(Default)]
pub struct Live {
    pub answered: AtomicU64,
    pub refused: AtomicU64,
    pub failed: AtomicU64,
    /// Set to end early.
    pub stop: AtomicBool,
    /// Threads that haven't ended; whoever ends says so.
    pub running: AtomicUsize,
    pub ended: Notify,
}

/// Whether it ends well or by a panic, a thread says that it has.
struct Running<'a>(&'a Live);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.ended.notify_one();
    }
}

/// A run that has ended.
pub struct Ran {
    pub tally: Tally,
    pub witness: Witness,
    /// Found only when the threads' answers were put together.
    pub contradictions: Vec<Contradiction>,
    pub slow: Option<SlowTally>,
    pub generator: Cost,
    /// Somebody pressed Ctrl-C.
    pub interrupted: bool,
}

/// What the generator itself took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub threads: usize,
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
}

/// Drives `plan`, and `beside` on a thread of its own with the run's clock.
pub fn run<T: Send>(
    job: &Job,
    plan: &Plan,
    beside: impl FnOnce(Clock, &Live) -> T + Send,
) -> anyhow::Result<(Ran, T)> {
    plan.check()?;
    let live = &Live::default();
    let threads = job.threads.clamp(1, job.connections);
    threads::scope(|scope| {
        let mut running = Vec::new();
        let (say_ready, ready) = mpsc::channel();
        for index in 0..threads {
            let (start, started) = mpsc::channel();
            let part = thread::Part {
                job,
                plan,
                live,
                index,
                threads,
            };
            let say_ready = say_ready.clone();
            live.running.fetch_add(1, Relaxed);
            let thread = scope.spawn(move || {
                let _running = Running(live);
                thread::run(&part, &say_ready, &started)
            });
            running.push((thread, start));
        }
        drop(say_ready);
        // Connections are made before time begins. Without the senders in `running` threads go home.
        for _ in 0..threads {
            ready.recv().context("a thread ended early")??;
        }
        let cpu = cpu_seconds();
        let clock = Clock::new(Instant::now());
        for (_, start) in &running {
            start.send(clock)?;
        }
        let beside = scope.spawn(move || beside(clock, live));
        let interrupted = progress::watch(plan.duration(), clock, live)?;
        let cpu_seconds = cpu_seconds() - cpu;
        live.stop.store(true, Relaxed);
        let beside = beside.join().expect("threads don't panic");
        let mut parts = Vec::new();
        for (thread, _) in running {
            parts.push(thread.join().expect("threads don't panic")?);
        }
        let ended_ns = parts.iter().map(|part| part.ended_ns).max();
        let generator = Cost {
            threads,
            cpu_seconds,
            wall_seconds: ended_ns.unwrap_or_default() as f64 * 1e-9,
        };

        let mut parts = parts.into_iter();
        let thread::Seen {
            mut tally,
            mut witness,
            slow,
            ..
        } = parts.next().context("at least one thread")?;
        let mut contradictions = Vec::new();
        for part in parts {
            tally.merge(part.tally);
            contradictions.extend(witness.merge(part.witness));
        }
        let ran = Ran {
            tally,
            witness,
            contradictions,
            slow,
            generator,
            interrupted,
        };
        Ok((ran, beside))
    })
}
