//! Looks at one connection from time to time: has it been idle for too long, is an answer unread for too long?

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    ConnectionSettings,
    connection::{AGES, Connection},
};

/// Idle connections are looked at so many times within their time limit.
const LOOKS: u32 = 4;

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Well,
    /// No request for `header_timeout_seconds`: whatever else its peer sends.
    Idle,
    /// A part of an answer was not read within `write_timeout_seconds`.
    Unread,
}

/// The time of the next look. Nothing is measured in between, so that it costs nothing per request.
#[derive(Debug)]
pub(super) struct Looks {
    connection: Arc<Connection>,
    idle_step: Duration,
    age_step: Duration,
    next_idle: Instant,
    next_age: Instant,
    idle_looks: u32,
    requests: u64,
}

impl Looks {
    pub(super) fn new(connection: Arc<Connection>, settings: &ConnectionSettings) -> Self {
        let idle_step = settings.header_timeout() / LOOKS;
        let age_step = settings.write_timeout() / (AGES as u32 - 1);
        let now = Instant::now();
        Self {
            connection,
            idle_step,
            age_step,
            next_idle: now + idle_step,
            next_age: now + age_step,
            idle_looks: 0,
            requests: 0,
        }
    }

    pub(super) fn next(&self) -> Sleep {
        sleep_until(self.next_look())
    }

    fn next_look(&self) -> Instant {
        self.next_idle.min(self.next_age)
    }

    pub(super) fn look(&mut self, now: Instant) -> Sight {
        if self.next_age <= now {
            self.next_age = now + self.age_step;
            if self.connection.age() {
                return Sight::Unread;
            }
        }
        if self.next_idle <= now {
            self.next_idle = now + self.idle_step;
            let requests = self.connection.requests();
            let is_idle = self.connection.is_idle() && requests == self.requests;
            self.requests = requests;
            self.idle_looks = if is_idle { self.idle_looks + 1 } else { 0 };
            if self.idle_looks > LOOKS {
                return Sight::Idle;
            }
        }
        Sight::Well
    }
}

#[cfg(test)]
mod tests {
    use stillhouse_serving::Budget;

    use super::*;

    #[test]
    fn c4_only_requests_keep_a_connection() {
        let connection = Connection::new(Budget::new(1 << 20, 1).account());
        let settings = ConnectionSettings::default();
        let mut looks = Looks::new(connection.clone(), &settings);
        let begun = Instant::now();
        // A request of 30 s, then nothing.
        let mut request = Some(connection.begin().0);
        let idle = loop {
            let now = looks.next_look();
            if now - begun > Duration::from_secs(30) {
                request = None;
            }
            match looks.look(now) {
                Sight::Well => {}
                seen => break (seen, (now - begun).as_secs_f64() - 30.0),
            }
            assert!(now - begun < Duration::from_secs(100));
        };
        assert!(request.is_none());
        assert_eq!(idle.0, Sight::Idle);
        assert!((10.0..=16.0).contains(&idle.1), "after {} s", idle.1);
    }
}
