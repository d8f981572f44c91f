//! What strangers can cause any number of times is written down a few times, with a count.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets some reports through in each window of time; what comes beyond is counted, and reported as one at its end.
pub(super) struct Throttle {
    burst: u64,
    window: Duration,
    state: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    ends: Option<Instant>,
    reported: u64,
    counted: u64,
}

/// What becomes of one event.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// With all that follow, in so long.
    Later(Duration),
    Counted,
}

impl Throttle {
    pub(super) fn new(burst: u64, window: Duration) -> Self {
        Self {
            burst,
            window,
            state: Mutex::default(),
        }
    }

    /// Whether an event is to be reported now. If not, `later` may be called at the end of the window, with the number of
    /// events that its report stands for.
    pub(super) fn admits(self: &Arc<Self>, later: impl FnOnce(u64) + Send + 'static) -> bool {
        match self.turn(Instant::now()) {
            Turn::Now => return true,
            Turn::Counted => {}
            Turn::Later(after) => {
                let throttle = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    later(throttle.close(Instant::now()));
                });
            }
        }
        false
    }

    fn turn(&self, now: Instant) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A window with something counted ends by being reported.
        if state.counted == 0 && state.ends.is_none_or(|ends| now >= ends) {
            *state = Window {
                ends: Some(now + self.window),
                ..Window::default()
            };
        }
        if state.reported < self.burst && state.counted == 0 {
            state.reported += 1;
            return Turn::Now;
        }
        state.counted += 1;
        match state.counted {
            1 => Turn::Later(
                state
                    .ends
                    .map_or(self.window, |ends| ends.saturating_duration_since(now)),
            ),
            _ => Turn::Counted,
        }
    }

    /// Ends the window; returns what was counted in it. While events keep coming, the next has one report, too: at its end.
    fn close(&self, now: Instant) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Window {
            ends: Some(now + self.window),
            reported: self.burst,
            counted: 0,
        };
        std::mem::replace(&mut *state, next).counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_its_reports_and_one_more() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(throttle.turn(at(0)), Turn::Now);
        assert_eq!(throttle.turn(at(3)), Turn::Now);
        assert_eq!(throttle.turn(at(4)), Turn::Later(Duration::from_secs(6)));
        for _ in 0..1000 {
            assert_eq!(throttle.turn(at(5)), Turn::Counted);
        }
        // Not reported yet: it waits for that.
        assert_eq!(throttle.turn(at(11)), Turn::Counted);
        assert_eq!(throttle.close(at(12)), 1002);
        // As long as it goes on, one report a window is enough.
        assert_eq!(throttle.turn(at(13)), Turn::Later(Duration::from_secs(9)));
        assert_eq!(throttle.close(at(22)), 1);
        assert_eq!(throttle.turn(at(40)), Turn::Now, "after a quiet window");
    }

    #[tokio::test]
    async fn what_was_counted_is_reported_at_the_end() {
        let throttle = Arc::new(Throttle::new(1, Duration::from_secs(1)));
        let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
        let event = || {
            let reports = reports.clone();
            throttle.admits(move |count| _ = reports.send(count))
        };
        let admitted = (0..50).filter(|_| event()).count();
        assert_eq!(admitted, 1);
        assert_eq!(reported.recv().await, Some(49));
        assert!(!event(), "at the end of the next window");
        assert_eq!(reported.recv().await, Some(1));
    }
}
