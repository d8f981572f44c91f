//! Sends what a plan describes: threads with a runtime and connections each, which share nothing but a few counters.

mod job;
mod recorder;
mod slow;
mod thread;

use std::{
    sync::{atomic::Ordering::Relaxed, mpsc},
    thread as threads,
    time::Instant,
};

use anyhow::Context;

use crate::{
    clock::{Clock, cpu_seconds},
    consistency::{ConsistencyCheck, Contradiction},
    plan::Plan,
    progress,
    run_progress::{RunProgress, RunningThread},
    tally::Tally,
};

pub(crate) use job::{Check, Job, Protocol, SlowClients};
pub(crate) use slow::SlowTally;

/// The result of a run.
pub(crate) struct RunResult {
    pub tally: Tally,
    pub consistency: ConsistencyCheck,
    /// Contradictions between answers to different threads.
    pub contradictions: Vec<Contradiction>,
    pub slow: Option<SlowTally>,
    pub generator: GeneratorUsage,
    /// Whether the run was interrupted with Ctrl-C.
    pub interrupted: bool,
}

/// Resources that the generator itself used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeneratorUsage {
    pub threads: usize,
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
}

/// Runs `plan`, and `concurrently` on another thread with the run's clock; returns when both have ended.
pub(crate) fn run<T: Send>(
    job: &Job,
    plan: &Plan,
    concurrently: impl FnOnce(Clock, &RunProgress) -> T + Send,
) -> anyhow::Result<(RunResult, T)> {
    plan.check()?;
    let run_progress = &RunProgress::default();
    let threads = job.threads.clamp(1, job.connections);
    threads::scope(|scope| {
        let mut running = Vec::new();
        let (ready_sender, ready) = mpsc::channel();
        for index in 0..threads {
            let (start, started) = mpsc::channel();
            let part = thread::Part {
                job,
                plan,
                run_progress,
                index,
                threads,
            };
            let ready_sender = ready_sender.clone();
            let running_thread = RunningThread::new(run_progress);
            let thread = scope.spawn(move || {
                let _running_thread = running_thread;
                thread::run(&part, &ready_sender, &started)
            });
            running.push((thread, start));
        }
        drop(ready_sender);
        // Connections are opened before the clock starts. If this returns early, the senders in `running` are dropped and
        // the waiting threads end.
        for _ in 0..threads {
            ready.recv().context("a thread ended early")??;
        }
        let cpu = cpu_seconds();
        let clock = Clock::new(Instant::now());
        for (_, start) in &running {
            start.send(clock)?;
        }
        let concurrently = scope.spawn(move || concurrently(clock, run_progress));
        let interrupted = progress::watch(plan.duration(), clock, run_progress)?;
        let cpu_seconds = cpu_seconds() - cpu;
        run_progress.stop.store(true, Relaxed);
        let concurrent_result = concurrently.join().expect("threads don't panic");
        let mut parts = Vec::new();
        for (thread, _) in running {
            parts.push(thread.join().expect("threads don't panic")?);
        }
        let ended_ns = parts.iter().map(|part| part.ended_ns).max();
        let generator = GeneratorUsage {
            threads,
            cpu_seconds,
            wall_seconds: ended_ns.unwrap_or_default() as f64 * 1e-9,
        };

        let mut parts = parts.into_iter();
        let thread::ThreadResult {
            mut tally,
            mut consistency,
            slow,
            ..
        } = parts.next().context("at least one thread")?;
        let mut contradictions = Vec::new();
        for part in parts {
            tally.merge(part.tally);
            contradictions.extend(consistency.merge(part.consistency));
        }
        let ran = RunResult {
            tally,
            consistency,
            contradictions,
            slow,
            generator,
            interrupted,
        };
        Ok((ran, concurrent_result))
    })
}
