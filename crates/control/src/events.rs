//! What happens to the models, as typed and numbered events: a bounded ring that any number of readers follow at their own
//! pace. Who publishes never waits for who reads.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::ToSchema;

use super::TrialReport;
use stillhouse_core::rollout::Assignment;
use stillhouse_store::{ModelName, VersionName};

/// Events that are kept for readers who were away.
const KEPT: usize = 1024;

/// Readers at a time.
const MAX_SUBSCRIBERS: usize = 32;

/// Something happened to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Grows by one with each event; a later process begins above an earlier one's numbers.
    pub number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The model.
    #[schema(value_type = String)]
    pub model: ModelName,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// Another deployment answers.
    Deployed {
        /// As it stands in the audit log.
        action: String,
        /// Who ordered it.
        actor: String,
        /// Why, in the actor's words; may be empty.
        reason: String,
        /// The deployment before.
        #[schema(value_type = Assignment)]
        before: Box<Assignment>,
        /// The deployment that answers now.
        #[schema(value_type = Assignment)]
        after: Box<Assignment>,
    },
    /// An order was not carried out.
    Refused {
        /// As it would stand in the audit log.
        action: String,
        /// Who ordered it.
        actor: String,
        /// Why it was refused.
        error: String,
    },
    /// What is known of the canary has changed; at most once a second.
    Evidence {
        /// The trial as `GET .../evidence` shows it.
        report: Box<TrialReport>,
    },
    /// A version appeared in the repository, by upload or as files.
    Arrived {
        /// The version.
        #[schema(value_type = String)]
        version: VersionName,
    },
    /// A version is in memory, checked and warm.
    Loaded {
        /// The version.
        #[schema(value_type = String)]
        version: VersionName,
        /// SHA-256 of the network's file.
        sha256: String,
    },
    /// A version is no longer in memory.
    Unloaded {
        /// The version.
        #[schema(value_type = String)]
        version: VersionName,
    },
    /// A version's directory was deleted by an operator.
    Deleted {
        /// The version.
        #[schema(value_type = String)]
        version: VersionName,
        /// Who deleted it.
        actor: String,
    },
}

impl EventKind {
    /// As it stands in the field `event`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deployed { .. } => "deployed",
            Self::Refused { .. } => "refused",
            Self::Evidence { .. } => "evidence",
            Self::Arrived { .. } => "arrived",
            Self::Loaded { .. } => "loaded",
            Self::Unloaded { .. } => "unloaded",
            Self::Deleted { .. } => "deleted",
        }
    }
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The next event.
    Event(Arc<Event>),
    /// Events are missing: they are no longer kept, or an earlier process published them.
    Gap {
        /// The last number that the reader knows.
        after: u64,
        /// The number from which on it goes on.
        next: u64,
    },
}

/// The newest events of this process.
#[derive(Debug)]
pub struct EventLog {
    ring: Mutex<Ring>,
    /// Says that there is something new, or that nothing will come any more.
    progress: watch::Sender<Progress>,
    subscribers: Arc<Semaphore>,
}

#[derive(Debug)]
struct Ring {
    /// The number of the next event.
    next: u64,
    kept: VecDeque<Arc<Event>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Open,
    Closed,
}

impl EventLog {
    /// An empty log. The first number is the time in milliseconds since 1970: a reader that comes back to a later process
    /// with an earlier one's number finds a gap, not other events under numbers that it knows.
    pub fn new(now: Timestamp) -> Self {
        Self {
            ring: Mutex::new(Ring {
                next: now.as_millisecond().max(1) as u64,
                kept: VecDeque::new(),
            }),
            progress: watch::Sender::new(Progress::Open),
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
        }
    }

    /// Adds an event. Never waits for a reader.
    pub(super) fn publish(&self, model: &ModelName, kind: EventKind) {
        let mut ring = self.ring();
        let event = Event {
            number: ring.next,
            time: Timestamp::now(),
            model: model.clone(),
            kind,
        };
        ring.next += 1;
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Arc::new(event));
        drop(ring);
        self.progress.send_modify(|_| {});
    }

    /// Follows the log: from behind the event `after`, else from the next event on. None if too many follow it already.
    pub fn subscribe(self: &Arc<Self>, after: Option<u64>) -> Option<Subscription> {
        let permit = self.subscribers.clone().try_acquire_owned().ok()?;
        let last = after.unwrap_or_else(|| self.ring().next - 1);
        Some(Subscription {
            progress: self.progress.subscribe(),
            log: self.clone(),
            last,
            _permit: permit,
        })
    }

    /// Ends every subscription as soon as it has delivered what is there.
    pub fn close(&self) {
        self.progress.send_replace(Progress::Closed);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn after(&self, last: u64) -> Option<Delivery> {
        let oldest = self.next - self.kept.len() as u64;
        if last >= self.next || last + 1 < oldest {
            return Some(Delivery::Gap {
                after: last,
                next: oldest,
            });
        }
        let place = (last + 1 - oldest) as usize;
        self.kept.get(place).cloned().map(Delivery::Event)
    }
}

/// One reader's place in the log.
#[derive(Debug)]
pub struct Subscription {
    log: Arc<EventLog>,
    progress: watch::Receiver<Progress>,
    /// The number of the last event that was delivered.
    last: u64,
    _permit: OwnedSemaphorePermit,
}

impl Subscription {
    /// The next event, or the gap before it; none once the log is closed and read to its end.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            // Before the look at the ring, so that what comes after the look isn't slept through.
            let progress = *self.progress.borrow_and_update();
            let found = self.log.ring().after(self.last);
            if let Some(delivery) = found {
                self.last = match &delivery {
                    Delivery::Event(event) => event.number,
                    Delivery::Gap { next, .. } => next - 1,
                };
                return Some(delivery);
            }
            if progress == Progress::Closed {
                return None;
            }
            // The sender lives as long as the log, and so as long as this.
            self.progress.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 1_700_000_000_000;

    fn log() -> Arc<EventLog> {
        let now = Timestamp::from_millisecond(FIRST as i64).expect("a time");
        Arc::new(EventLog::new(now))
    }

    fn arrive(log: &EventLog, version: &str) {
        let version = version.parse().expect("a name");
        let model = "toy".parse().expect("a name");
        log.publish(&model, EventKind::Arrived { version });
    }

    async fn number(subscription: &mut Subscription) -> u64 {
        match subscription.next().await.expect("open") {
            Delivery::Event(event) => event.number,
            gap @ Delivery::Gap { .. } => panic!("{gap:?}"),
        }
    }

    #[tokio::test]
    async fn numbers_grow_by_one_and_a_reader_resumes() {
        let log = log();
        let mut early = log.subscribe(None).expect("room");
        for version in ["v1", "v2", "v3"] {
            arrive(&log, version);
        }
        let mut late = log.subscribe(None).expect("room");
        let mut resumed = log.subscribe(Some(FIRST + 1)).expect("room");
        assert_eq!(number(&mut resumed).await, FIRST + 2);
        for nth in 0..3 {
            assert_eq!(number(&mut early).await, FIRST + nth);
        }
        arrive(&log, "v4");
        for subscription in [&mut early, &mut late, &mut resumed] {
            assert_eq!(number(subscription).await, FIRST + 3);
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_or_from_another_process_hears_of_the_gap() {
        let log = log();
        let mut slow = log.subscribe(None).expect("room");
        for _ in 0..KEPT + 2 {
            arrive(&log, "v1");
        }
        let (after, next) = (FIRST - 1, FIRST + 2);
        assert_eq!(slow.next().await, Some(Delivery::Gap { after, next }));
        assert_eq!(number(&mut slow).await, FIRST + 2);
        for after in [7, FIRST + 5000, u64::MAX] {
            let mut stranger = log.subscribe(Some(after)).expect("room");
            assert_eq!(stranger.next().await, Some(Delivery::Gap { after, next }));
            assert_eq!(number(&mut stranger).await, FIRST + 2);
        }
    }

    #[tokio::test]
    async fn a_closed_log_is_read_to_its_end() {
        let log = log();
        let mut reader = log.subscribe(None).expect("room");
        arrive(&log, "v1");
        log.close();
        assert_eq!(number(&mut reader).await, FIRST);
        assert_eq!(reader.next().await, None);
    }

    #[test]
    fn readers_are_bounded() {
        let log = log();
        let readers: Vec<_> = (0..MAX_SUBSCRIBERS)
            .map(|_| log.subscribe(None).expect("room"))
            .collect();
        assert!(log.subscribe(None).is_none());
        drop(readers);
        assert!(log.subscribe(None).is_some());
    }
}
