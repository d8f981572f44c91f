//! When a request must be answered, and whether the server or the client set that limit.

use std::time::{Duration, Instant};

use super::PredictError;

/// The earlier of the server's limit and the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    at: Instant,
    by_client: bool,
}

impl Deadline {
    /// `server` and `client` count from `received`, when the request's head was complete.
    pub(super) fn new(received: Instant, server: Duration, client: Option<Duration>) -> Self {
        let (limit, by_client) = match client {
            Some(client) if client < server => (client, true),
            _ => (server, false),
        };
        Self {
            at: received + limit,
            by_client,
        }
    }

    pub(super) fn instant(self) -> Instant {
        self.at
    }

    pub(super) fn left(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// The error of a request whose deadline passed while a version had not had its full time.
    pub(super) fn passed(self) -> PredictError {
        match self.by_client {
            true => PredictError::ClientDeadline,
            false => PredictError::DeadlineBeforeInference,
        }
    }

    /// # Errors
    /// It has passed.
    pub(super) fn check(self, now: Instant) -> Result<(), PredictError> {
        match now < self.at {
            true => Ok(()),
            false => Err(self.passed()),
        }
    }
}

/// How long one version may take for an input, once it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// When stable must be asked instead, or the caller gets an error.
    pub(super) until: Instant,
    /// Whether this is the full time of the configuration: only then is lateness evidence against the version.
    is_full: bool,
    /// The limit of the whole request.
    deadline: Deadline,
}

/// The part of the configured time that counts as the full time: reading a request takes a little of every deadline.
const FULL: f64 = 0.9;

impl Allowance {
    /// `configured` is a version's time if nothing else shortens it: `requests.deadline_ms`, and for a version that has
    /// stable as its fallback `routing.fallback_after_ms`. With `share`, the version gets at most this part of the
    /// remaining time, so that stable has the rest.
    pub(super) fn new(deadline: Deadline, configured: Duration, share: f64, now: Instant) -> Self {
        let given = configured.min(deadline.left(now).mul_f64(share));
        Self {
            until: now + given,
            is_full: given >= configured.mul_f64(FULL),
            deadline,
        }
    }

    /// The error of a request to which the version didn't answer in time. A version that had less than its full time is
    /// not late: the request's own limit was too near.
    pub(super) fn passed(&self) -> PredictError {
        match self.is_full {
            true => PredictError::Deadline,
            false => self.deadline.passed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earlier_limit_counts_and_says_whose_it_is() {
        let now = Instant::now();
        let own = Deadline::new(now, SECOND, None);
        let same = Deadline::new(now, SECOND, Some(SECOND));
        let later = Deadline::new(now, SECOND, Some(9 * SECOND));
        let earlier = Deadline::new(now, SECOND, Some(SECOND / 2));
        assert_eq!((own, same), (later, later));
        assert_eq!(earlier.left(now), SECOND / 2);
        assert!(matches!(
            own.passed(),
            PredictError::DeadlineBeforeInference
        ));
        assert!(matches!(earlier.passed(), PredictError::ClientDeadline));
        assert!(own.check(now).is_ok());
        assert!(own.check(now + SECOND).is_err());
        assert!(
            Deadline::new(now, SECOND, Some(Duration::ZERO))
                .check(now)
                .is_err()
        );
    }

    #[test]
    fn an_allowance_is_full_only_where_the_configuration_shortened_it() {
        let now = Instant::now();
        let server = Deadline::new(now, 10 * SECOND, None);
        let full = Allowance::new(server, SECOND, 0.5, now);
        assert_eq!((full.until, full.is_full), (now + SECOND, true));
        // A deadline below twice the fallback time is the configuration's own choice.
        let configured = (SECOND / 2).min(SECOND);
        let tight = Deadline::new(now, SECOND, None);
        let a_moment_later = now + SECOND / 100;
        assert!(Allowance::new(tight, configured, 0.5, a_moment_later).is_full);
        // A time shortened by the client, by its deadline or by a slow body, is no evidence against a version.
        let client = Deadline::new(now, 10 * SECOND, Some(SECOND));
        let chosen = Allowance::new(client, SECOND, 0.5, now);
        assert!(matches!(chosen.passed(), PredictError::ClientDeadline));
        // Waiting for a decoder took the server's own time: no client asked for less.
        let waited = Allowance::new(server, SECOND, 0.5, now + 9 * SECOND);
        assert!(matches!(
            waited.passed(),
            PredictError::DeadlineBeforeInference
        ));
        assert!(!Allowance::new(server, SECOND, 0.5, now + 11 * SECOND).is_full);
    }
}
