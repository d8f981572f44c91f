//! Says which versions come and go while the server runs: told by the file system where it can, found by looking again
//! where it can't (network file systems, exhausted watches). Events only say when to look; what is there is looked at.

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

/// A copy makes an event for each write; after this long without any it is looked at.
const QUIET: Duration = Duration::from_millis(100);

/// Whoever writes without a pause doesn't keep everybody else's versions from being seen.
const LONGEST_BURST: Duration = Duration::from_secs(2);

/// What happened in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A version is complete: for the first time, or its files are others than when it was last told.
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

/// A thread that looks at a repository until this is dropped.
#[derive(Debug)]
pub struct Watch {
    /// None where the file system doesn't tell.
    events: Option<RecommendedWatcher>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    seen: Seen,
}

/// What a watch has seen, shared with whoever changes the repository in this process.
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
    /// Tells `notify` of everything that comes and goes from now on, by events and every `poll` (zero: by events alone).
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
            seen,
        }
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
            // A panic there was told when it happened.
            let _ = thread.join();
        }
        // Last: its end closes the channel that the thread listens to.
        drop(self.events.take());
    }
}

/// A watcher of everything below the root; what it finds is that something changed.
fn watcher(repository: &Repository, changed: Sender<()>) -> notify::Result<RecommendedWatcher> {
    let tell = move |event: notify::Result<Event>| {
        // Looking is itself an access. An error (events lost, say) is a reason to look.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // Full: somebody is about to look anyway.
            let _ = changed.try_send(());
        }
    };
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(tell, config)?;
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
