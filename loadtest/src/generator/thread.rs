//! One thread: its connections take turns, send, and book what comes back.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::{atomic::Ordering::Relaxed, mpsc},
    time::Duration,
};

use anyhow::{Context, anyhow};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::Mutex, task::unconstrained};

use super::{Job, Live, Protocol, book::Book, slow};
use crate::{
    client::{Connection, Fault, Shared},
    clock::{Clock, Timer},
    plan::{Arrival, Load, Plan, Turn, Turns},
    tally::Tally,
    witness::Witness,
};

/// How often lateness is looked at where nothing is due.
const HEARTBEAT_NS: u64 = 10_000_000;
/// Callers who can't connect wait so long, or they would do nothing but that.
const PAUSE: Duration = Duration::from_millis(10);

/// What one thread has to do.
pub struct Part<'a> {
    pub job: &'a Job,
    pub plan: &'a Plan,
    pub live: &'a Live,
    pub index: usize,
    pub threads: usize,
}

/// What one thread saw.
pub struct Seen {
    pub tally: Tally,
    pub witness: Witness,
    pub slow: Option<slow::SlowTally>,
    /// When its last answer had come.
    pub ended_ns: u64,
}

/// What the tasks of a thread share. Nothing is held over an await but the timer.
struct Desk<'a> {
    part: &'a Part<'a>,
    clock: Clock,
    turns: RefCell<Turns>,
    book: RefCell<Book<'a>>,
    next_picture: Cell<usize>,
    /// Free connections queue for it: whoever has it waits until the next request is due, and sends that.
    timer: Mutex<Timer>,
}

/// Connects, says that it is ready, waits for the start and drives its part.
pub fn run(
    part: &Part,
    ready: &mpsc::Sender<anyhow::Result<()>>,
    start: &mpsc::Receiver<Clock>,
) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut connections = connections(part);
    let opened = runtime.block_on(async {
        for (_, connection) in &mut connections {
            connection.open().await.map_err(|fault| {
                let target = &part.job.target;
                anyhow!("{}: {} ({})", target, fault.reason(), fault.detail())
            })?;
        }
        anyhow::Ok(())
    });
    let _ = ready.send(opened);
    let clock = start.recv().context("the run was called off")?;
    // All connections are futures of one task: its budget, meant for fairness between tasks, would be used up at once.
    runtime.block_on(unconstrained(drive(part, clock, connections)))
}

/// This thread's connections, with their numbers over all threads.
fn connections(part: &Part) -> Vec<(usize, Connection)> {
    let job = part.job;
    let mut made = Vec::new();
    for connection in (part.index..job.connections).step_by(part.threads) {
        match job.protocol {
            Protocol::Http1 => made.push((connection, Connection::one(&job.target, job.timeout))),
            Protocol::Http2 => {
                let shared = Shared::new(&job.target);
                // Few callers are spread over the connections.
                made.extend((0..job.streams).map(|stream| {
                    let number = stream * job.connections + connection;
                    (number, Connection::two(&shared, job.timeout))
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
) -> anyhow::Result<Seen> {
    let desk = Desk {
        part,
        clock,
        turns: RefCell::new(Turns::new(part.plan, part.index, part.threads)),
        book: RefCell::new(Book::new(part.job, part.plan, part.live)),
        next_picture: Cell::new(part.index),
        timer: Mutex::new(Timer::new()?),
    };
    let mut connections: FuturesUnordered<_> = connections
        .into_iter()
        .map(|(number, connection)| desk.serve(number, connection))
        .collect();
    let all = async {
        while let Some(ended) = connections.next().await {
            ended?;
        }
        anyhow::Ok(())
    };
    // One thread is enough for those who do nearly nothing.
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
        stopped = desk.heartbeat() => {
            stopped?;
            None
        }
    };
    drop(connections);
    let book = desk.book.into_inner();
    Ok(Seen {
        tally: book.tally,
        witness: book.witness,
        slow,
        ended_ns: clock.now_ns(),
    })
}

impl Desk<'_> {
    /// One connection, from its first turn to its last.
    async fn serve(&self, number: usize, mut connection: Connection) -> io::Result<()> {
        let job = self.part.job;
        while let Some(arrival) = self.turn(number).await? {
            // Threads take every n-th picture, so that together they send all equally often.
            let picture = self.next_picture.get() % job.pictures.len();
            self.next_picture.set(picture + self.part.threads);
            let status = connection.ask(&job.requests[picture]).await;
            let done_ns = self.clock.now_ns();
            let cant_connect = matches!(status, Err(Fault::Connect(_)));
            let answered = status.map(|status| (status, connection.body()));
            self.book
                .borrow_mut()
                .done(arrival, picture, done_ns, answered);
            if cant_connect
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

    /// The next request of a free connection, when it is due; none when there will be no more.
    async fn turn(&self, number: usize) -> io::Result<Option<Arrival>> {
        match self.next(number) {
            Turn::Send(arrival) => return Ok(Some(arrival)),
            Turn::End => return Ok(None),
            Turn::Wait { .. } | Turn::GivenUp(_) => {}
        }
        let timer = self.timer.lock().await;
        loop {
            match self.next(number) {
                Turn::Send(arrival) => {
                    // A connection was free for it: what it is late now is this program's own doing.
                    let late_ns = self.clock.now_ns().saturating_sub(arrival.due_ns);
                    self.book.borrow_mut().late(arrival.phase, late_ns);
                    return Ok(Some(arrival));
                }
                Turn::End => return Ok(None),
                Turn::Wait { until_ns } => timer.until(self.clock, until_ns).await?,
                Turn::GivenUp(_) => {}
            }
        }
    }

    fn next(&self, number: usize) -> Turn {
        loop {
            let now_ns = self.clock.now_ns();
            match self.turns.borrow_mut().next(now_ns, number) {
                Turn::GivenUp(arrival) => self.book.borrow_mut().given_up(arrival, now_ns),
                turn => return turn,
            }
        }
    }

    /// Looks every now and then how late this thread is, whatever the load; comes back when the run is to end early.
    async fn heartbeat(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut due_ns = HEARTBEAT_NS;
        while !self.part.live.stop.load(Relaxed) {
            timer.until(self.clock, due_ns).await?;
            let now_ns = self.clock.now_ns();
            let phase = self.turns.borrow_mut().phase_at(now_ns);
            self.book
                .borrow_mut()
                .late(phase, now_ns.saturating_sub(due_ns));
            due_ns = now_ns.max(due_ns) + HEARTBEAT_NS;
        }
        Ok(())
    }
}
