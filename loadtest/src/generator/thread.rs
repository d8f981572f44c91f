//! One thread: its connections take due requests in turn, send them and record the responses.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::{atomic::Ordering::Relaxed, mpsc},
    time::Duration,
};

use anyhow::{Context, anyhow};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::Mutex, task::unconstrained};

use super::{
    job::{Job, Protocol},
    recorder::Recorder,
    slow,
};
use crate::{
    client::{Connection, Http2Connection, RequestError},
    clock::{Clock, Timer},
    consistency::ConsistencyCheck,
    plan::{Arrival, Dispatcher, Load, NextStep, Plan},
    run_progress::RunProgress,
    tally::Tally,
};

/// How often lateness is measured regardless of the load.
const HEARTBEAT_NS: u64 = 10_000_000;
/// How long a closed-loop caller that can't connect waits before it tries again.
const PAUSE: Duration = Duration::from_millis(10);

/// The part of a run that one thread does.
pub(super) struct Part<'a> {
    pub job: &'a Job,
    pub plan: &'a Plan,
    pub run_progress: &'a RunProgress,
    pub index: usize,
    pub threads: usize,
}

/// The result of one thread.
pub(super) struct ThreadResult {
    pub tally: Tally,
    pub consistency: ConsistencyCheck,
    pub slow: Option<slow::SlowTally>,
    /// When its last response had arrived.
    pub ended_ns: u64,
}

/// What the tasks of a thread share. Only the timer is held across an await.
struct ThreadRun<'a> {
    part: &'a Part<'a>,
    clock: Clock,
    dispatcher: RefCell<Dispatcher>,
    recorder: RefCell<Recorder<'a>>,
    next_picture: Cell<usize>,
    /// Idle connections queue for it: the one that holds it waits until the next request is due, and sends that request.
    timer: Mutex<Timer>,
}

/// Connects, reports that it is ready, waits for the start and runs its part.
pub(super) fn run(
    part: &Part,
    ready: &mpsc::Sender<anyhow::Result<()>>,
    start: &mpsc::Receiver<Clock>,
) -> anyhow::Result<ThreadResult> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut connections = connections(part);
    let opened = runtime.block_on(async {
        for (_, connection) in &mut connections {
            connection.open().await.map_err(|error| {
                let target = &part.job.target;
                anyhow!("{}: {} ({})", target, error.reason(), error.detail())
            })?;
        }
        anyhow::Ok(())
    });
    let _ = ready.send(opened);
    let clock = start.recv().context("the run was called off")?;
    // All connections are futures of one task. `unconstrained`, because tokio's cooperative budget, which is meant for
    // fairness between tasks, would be used up at once.
    runtime.block_on(unconstrained(drive(part, clock, connections)))
}

/// This thread's connections, each with its index among the connections of all threads.
fn connections(part: &Part) -> Vec<(usize, Connection)> {
    let job = part.job;
    let mut made = Vec::new();
    for connection in (part.index..job.connections).step_by(part.threads) {
        match job.protocol {
            Protocol::Http1 => made.push((connection, Connection::http1(&job.target, job.timeout))),
            Protocol::Http2 => {
                let shared = Http2Connection::new(&job.target);
                // Streams are numbered so that few callers are spread over all connections.
                made.extend((0..job.streams).map(|stream| {
                    let number = stream * job.connections + connection;
                    (number, Connection::http2(&shared, job.timeout))
                }));
            }
        }
    }
    made
}

async fn drive(
    part: &Part<'_>,
    clock: Clock,
    connections: Vec<(usize, Connection)>,
) -> anyhow::Result<ThreadResult> {
    let state = ThreadRun {
        part,
        clock,
        dispatcher: RefCell::new(Dispatcher::new(part.plan, part.index, part.threads)),
        recorder: RefCell::new(Recorder::new(part.job, part.plan, part.run_progress)),
        next_picture: Cell::new(part.index),
        timer: Mutex::new(Timer::new()?),
    };
    let mut connections: FuturesUnordered<_> = connections
        .into_iter()
        .map(|(number, connection)| state.serve(number, connection))
        .collect();
    let all = async {
        while let Some(ended) = connections.next().await {
            ended?;
        }
        anyhow::Ok(())
    };
    // Slow clients do nearly nothing, so the first thread runs all of them.
    let slow = part.job.slow.as_ref().filter(|_| part.index == 0);
    let slow = async {
        match slow {
            None => None,
            Some(slow) => Some(slow::run(slow, part.job, clock, part.plan.duration()).await),
        }
    };
    let working = async { tokio::join!(all, slow) };
    let slow = tokio::select! {
        biased;
        (all, slow) = working => {
            all?;
            slow
        }
        stopped = state.heartbeat() => {
            stopped?;
            None
        }
    };
    drop(connections);
    let recorder = state.recorder.into_inner();
    Ok(ThreadResult {
        tally: recorder.tally,
        consistency: recorder.consistency,
        slow,
        ended_ns: clock.now_ns(),
    })
}

impl ThreadRun<'_> {
    /// Sends requests on one connection until none will be due any more.
    async fn serve(&self, number: usize, mut connection: Connection) -> io::Result<()> {
        let job = self.part.job;
        while let Some(arrival) = self.wait_for_next(number).await? {
            // Each of n threads takes every n-th picture, so that together they send all pictures equally often.
            let picture = self.next_picture.get() % job.pictures.len();
            self.next_picture.set(picture + self.part.threads);
            let status = connection.send(&job.requests[picture]).await;
            let done_ns = self.clock.now_ns();
            let connect_failed = matches!(status, Err(RequestError::Connect(_)));
            let answered = status.map(|status| (status, connection.body()));
            self.recorder
                .borrow_mut()
                .done(arrival, picture, done_ns, answered);
            if connect_failed
                && matches!(
                    self.part.plan.phases[arrival.phase].load,
                    Load::Closed { .. }
                )
            {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Waits until an idle connection has a request to send; `None` when there will be no more.
    async fn wait_for_next(&self, number: usize) -> io::Result<Option<Arrival>> {
        match self.next(number) {
            NextStep::Send(arrival) => return Ok(Some(arrival)),
            NextStep::End => return Ok(None),
            NextStep::Wait { .. } | NextStep::GivenUp(_) => {}
        }
        let timer = self.timer.lock().await;
        loop {
            match self.next(number) {
                NextStep::Send(arrival) => {
                    // A connection was free for it, so this lateness is the generator's own.
                    let late_ns = self.clock.now_ns().saturating_sub(arrival.due_ns);
                    self.recorder.borrow_mut().late(arrival.phase, late_ns);
                    return Ok(Some(arrival));
                }
                NextStep::End => return Ok(None),
                NextStep::Wait { until_ns } => timer.until(self.clock, until_ns).await?,
                NextStep::GivenUp(_) => {}
            }
        }
    }

    fn next(&self, number: usize) -> NextStep {
        loop {
            let now_ns = self.clock.now_ns();
            match self.dispatcher.borrow_mut().next(now_ns, number) {
                NextStep::GivenUp(arrival) => self.recorder.borrow_mut().given_up(arrival, now_ns),
                next_step => return next_step,
            }
        }
    }

    /// Measures this thread's lateness periodically, whatever the load; returns when the run is to end early.
    async fn heartbeat(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut due_ns = HEARTBEAT_NS;
        while !self.part.run_progress.stop.load(Relaxed) {
            timer.until(self.clock, due_ns).await?;
            let now_ns = self.clock.now_ns();
            let phase = self.dispatcher.borrow_mut().phase_at(now_ns);
            self.recorder
                .borrow_mut()
                .late(phase, now_ns.saturating_sub(due_ns));
            due_ns = now_ns.max(due_ns) + HEARTBEAT_NS;
        }
        Ok(())
    }
}
