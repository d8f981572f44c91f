//! Reports versions that appear and disappear while the server runs. Events of the file system trigger a scan; where there
//! are none (network file systems, exhausted watches) it scans periodically. Only the scan decides what changed.

mod sight;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, never, select, tick};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::{ModelName, Repository, VersionName};
use sight::Sight;

/// Copying a file causes an event for each write; the scan begins after this long without one.
const QUIET: Duration = Duration::from_millis(100);

/// Upper bound of that delay, so that continuous writes to one version don't hide the others.
const LONGEST_BURST: Duration = Duration::from_secs(2);

/// What happened in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A version is complete: for the first time, or its files differ from those last reported.
    Came {
        /// Its model, served or not.
        model: ModelName,
        /// Its name.
        version: VersionName,
    },
    /// A version's directory is no longer there.
    Gone {
        /// Its model.
        model: ModelName,
        /// Its name.
        version: VersionName,
    },
}

/// A thread that watches a repository until this is dropped.
#[derive(Debug)]
pub struct Watch {
    /// `None` where the file system provides no events.
    events: Option<RecommendedWatcher>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    trigger: Trigger,
    seen: Seen,
}

/// Has a watch look now, wherever it is.
#[derive(Clone, Debug)]
pub struct Trigger(Sender<()>);

impl Trigger {
    /// The watch looks soon; returns at once.
    pub fn look(&self) {
        // Full: it is about to look anyway.
        let _ = self.0.try_send(());
    }
}

/// What a watch has seen, shared with the code that changes the repository in this process.
#[derive(Clone, Debug)]
pub struct Seen {
    repository: Repository,
    sight: Arc<Mutex<Sight>>,
}

impl Seen {
    /// Makes a version visible that the watch then doesn't report: no look falls between `publish` and the note of it.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn publish_unreported<T, E>(
        &self,
        model: &ModelName,
        version: &VersionName,
        publish: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut sight = self.sight();
        let published = publish()?;
        sight.note(&self.repository, model, version);
        Ok(published)
    }

    fn sight(&self) -> MutexGuard<'_, Sight> {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Calls `notify` for every version that appears or disappears from now on; scans on events and every `poll` (zero: on
    /// events alone).
    pub fn start(
        repository: Repository,
        poll: Duration,
        notify: impl FnMut(Arrival) + Send + 'static,
    ) -> Self {
        let (changed, changes) = bounded(1);
        let events = watcher(&repository, changed)
            .map(|watcher| (watcher, changes))
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    poll_seconds = poll.as_secs_f64(),
                    "no events from the repository's file system: new versions are found by polling alone"
                );
            })
            .ok();
        Self::run(repository, events, poll, notify)
    }

    /// The same by polling alone.
    pub fn polling(
        repository: Repository,
        poll: Duration,
        notify: impl FnMut(Arrival) + Send + 'static,
    ) -> Self {
        Self::run(repository, None, poll, notify)
    }

    fn run(
        repository: Repository,
        events: Option<(RecommendedWatcher, Receiver<()>)>,
        poll: Duration,
        mut notify: impl FnMut(Arrival) + Send + 'static,
    ) -> Self {
        // After the first event can come and before this returns: nothing falls in between.
        let seen = Seen {
            sight: Arc::default(),
            repository,
        };
        seen.sight().look(&seen.repository);
        let (events, changes) = match events {
            Some((watcher, changes)) => (Some(watcher), changes),
            None => (None, never()),
        };
        let (end, ended) = bounded::<()>(0);
        let (trigger, triggered) = bounded(1);
        let polls = match poll.is_zero() {
            true => never(),
            false => tick(poll),
        };
        let looking = seen.clone();
        let work = move || {
            loop {
                select! {
                    recv(ended) -> _ => return,
                    recv(polls) -> _ => {}
                    recv(triggered) -> _ => {}
                    recv(changes) -> change => match change {
                        Ok(()) => settle(&changes, &ended, QUIET),
                        Err(_) => return,
                    },
                }
                let found = looking.sight().look(&looking.repository);
                found.into_iter().for_each(&mut notify);
            }
        };
        let thread = thread::Builder::new()
            .name("repository-watch".into())
            .spawn(work)
            .inspect_err(|error| tracing::error!(%error, "the repository isn't watched"))
            .ok();
        Self {
            events,
            end: Some(end),
            thread,
            trigger: Trigger(trigger),
            seen,
        }
    }

    /// With which it is asked to look now.
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// What it has seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was logged when it happened.
            let _ = thread.join();
        }
        // Last: its end closes the channel that the thread listens to.
        drop(self.events.take());
    }
}

/// A watcher of everything below the root; what it finds is that something changed.
fn watcher(repository: &Repository, changed: Sender<()>) -> notify::Result<RecommendedWatcher> {
    let on_event = move |event: notify::Result<Event>| {
        // Scanning is itself an access. An error, such as lost events, is a reason to scan.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // Full: a scan is pending anyway.
            let _ = changed.try_send(());
        }
    };
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(on_event, config)?;
    watcher.watch(repository.root(), RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Waits until nothing has changed for `quiet`, or until the end.
fn settle(changes: &Receiver<()>, ended: &Receiver<()>, quiet: Duration) {
    let latest = Instant::now() + LONGEST_BURST.max(quiet);
    while Instant::now() < latest {
        select! {
            recv(ended) -> _ => return,
            recv(changes) -> change => if change.is_err() { return },
            default(quiet) => return,
        }
    }
}

#[cfg(test)]
mod tests;
