//! What an idle connection does next (pure: time is an argument).
//!
//! Idle connections take arrivals in order. While all connections are busy, arrivals wait, and the first connection that
//! becomes idle sends the oldest one late. Latency counts from when a request was due, as it would for its user.

use std::{iter::Peekable, time::Duration};

use super::{
    phases::{Load, Plan},
    schedule::{Arrival, Schedule},
};

/// What a connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Send this request; it is due.
    Send(Arrival),
    /// This request waited longer than `max_wait` and counts as failed. Call again.
    GivenUp(Arrival),
    /// Nothing is due before this time; call again then.
    Wait { until_ns: u64 },
    /// No more requests will be due.
    End,
}

/// Hands out one thread's arrivals to its connections.
pub(crate) struct Dispatcher {
    arrivals: Peekable<Schedule>,
    /// The end of each phase, and its number of callers; `None` for open-loop phases.
    phases: Vec<(u64, Option<usize>)>,
    current: usize,
    max_wait_ns: u64,
}

impl Dispatcher {
    /// The dispatcher of the thread with index `thread` of `threads`.
    pub(crate) fn new(plan: &Plan, thread: usize, threads: usize) -> Self {
        let mut end = Duration::ZERO;
        let phases = plan.phases.iter().map(|phase| {
            end += phase.duration;
            let callers = match phase.load {
                Load::Closed { callers } => Some(callers),
                Load::Open { .. } => None,
            };
            (end.as_nanos() as u64, callers)
        });
        Self {
            phases: phases.collect(),
            arrivals: Schedule::new(plan, thread, threads).peekable(),
            current: 0,
            max_wait_ns: plan.max_wait.as_nanos() as u64,
        }
    }

    /// The next step of the connection with index `connection` (among those of all threads), idle at `now_ns`.
    pub(crate) fn next(&mut self, now_ns: u64, connection: usize) -> NextStep {
        let due = self.arrivals.peek().copied();
        if let Some(arrival) = due.filter(|arrival| arrival.due_ns <= now_ns) {
            self.arrivals.next();
            return if now_ns - arrival.due_ns > self.max_wait_ns {
                NextStep::GivenUp(arrival)
            } else {
                NextStep::Send(arrival)
            };
        }
        let phase = self.phase_at(now_ns);
        let Some(&(end_ns, callers)) = self.phases.get(phase) else {
            return NextStep::End;
        };
        if callers.is_some_and(|callers| connection < callers) {
            return NextStep::Send(Arrival {
                due_ns: now_ns,
                phase,
            });
        }
        // In the next phase an idle connection may become a caller.
        let until_ns = due.map_or(end_ns, |arrival| arrival.due_ns.min(end_ns));
        NextStep::Wait { until_ns }
    }

    /// Index of the phase at `now_ns`; the number of phases after the last one. Time must not go back between calls.
    pub(crate) fn phase_at(&mut self, now_ns: u64) -> usize {
        while let Some(&(end_ns, _)) = self.phases.get(self.current) {
            if now_ns < end_ns {
                break;
            }
            self.current += 1;
        }
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Spacing};

    const MS: u64 = 1_000_000;

    fn dispatcher(loads: &[Load]) -> Dispatcher {
        let phase = |load: &Load| Phase {
            name: String::new(),
            load: *load,
            duration: Duration::from_millis(100),
            measured: true,
        };
        let plan = Plan {
            phases: loads.iter().map(phase).collect(),
            spacing: Spacing::Constant,
            seed: 0,
            max_wait: Duration::from_millis(50),
        };
        Dispatcher::new(&plan, 0, 1)
    }

    fn open(rate: f64) -> Load {
        Load::Open {
            from: rate,
            to: rate,
        }
    }

    fn arrival(ms: u64, phase: usize) -> Arrival {
        Arrival {
            due_ns: ms * MS,
            phase,
        }
    }

    #[test]
    fn arrivals_are_taken_in_order_late_ones_first_and_none_is_lost() {
        let mut dispatcher = dispatcher(&[open(50.0)]);
        assert_eq!(dispatcher.next(0, 0), NextStep::Send(arrival(0, 0)));
        assert_eq!(dispatcher.next(MS, 1), NextStep::Wait { until_ns: 20 * MS });
        // All connections were busy for 65 ms: three requests are late, and each keeps the time at which it was due.
        assert_eq!(dispatcher.next(65 * MS, 0), NextStep::Send(arrival(20, 0)));
        assert_eq!(dispatcher.next(65 * MS, 1), NextStep::Send(arrival(40, 0)));
        assert_eq!(dispatcher.next(66 * MS, 2), NextStep::Send(arrival(60, 0)));
        assert_eq!(
            dispatcher.next(66 * MS, 3),
            NextStep::Wait { until_ns: 80 * MS }
        );
        // The last one is taken after the phase has ended; then there are no more.
        assert_eq!(dispatcher.next(120 * MS, 0), NextStep::Send(arrival(80, 0)));
        assert_eq!(dispatcher.next(120 * MS, 0), NextStep::End);
    }

    #[test]
    fn a_request_that_waited_too_long_is_given_up() {
        let mut dispatcher = dispatcher(&[open(50.0)]);
        assert_eq!(
            dispatcher.next(60 * MS, 0),
            NextStep::GivenUp(arrival(0, 0))
        );
        assert_eq!(dispatcher.next(60 * MS, 0), NextStep::Send(arrival(20, 0)));
    }

    #[test]
    fn callers_send_at_once_others_wait_for_the_next_phase() {
        let mut dispatcher = dispatcher(&[Load::Closed { callers: 2 }, open(50.0)]);
        let now = |ns, phase| NextStep::Send(Arrival { due_ns: ns, phase });
        assert_eq!(dispatcher.next(3, 1), now(3, 0));
        assert_eq!(dispatcher.next(4, 1), now(4, 0));
        assert_eq!(dispatcher.next(5, 2), NextStep::Wait { until_ns: 100 * MS });
        assert_eq!(
            dispatcher.next(100 * MS, 2),
            NextStep::Send(arrival(100, 1))
        );
        assert_eq!(
            dispatcher.next(101 * MS, 0),
            NextStep::Wait { until_ns: 120 * MS }
        );
    }

    #[test]
    fn idle_connections_are_woken_where_callers_come_in() {
        let mut dispatcher = dispatcher(&[open(10.0), Load::Closed { callers: 1 }, open(10.0)]);
        assert_eq!(dispatcher.next(0, 0), NextStep::Send(arrival(0, 0)));
        // The next arrival is due at 200 ms, the callers begin at 100.
        assert_eq!(dispatcher.next(1, 0), NextStep::Wait { until_ns: 100 * MS });
    }
}
