//! What a free connection is to do: pure, time is an argument.
//!
//! Free connections take arrivals in order. While all are busy arrivals wait, and are sent late by whoever becomes free
//! first: their latency runs from when they were due, as it would for their users.

use std::{iter::Peekable, time::Duration};

use super::{Load, Plan, schedule::Schedule};

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Since the run began.
    pub due_ns: u64,
    /// Its number in the plan.
    pub phase: usize,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send this; it is due.
    Send(Arrival),
    /// Nobody took it in time: it counts as failed. Ask again.
    GivenUp(Arrival),
    /// Nothing is due before this; ask again then.
    Wait { until_ns: u64 },
    /// Nothing will be due any more.
    End,
}

/// One thread's turns.
pub struct Turns {
    arrivals: Peekable<Schedule>,
    /// When each phase ends, and how many of the callers it has; none in open phases.
    phases: Vec<(u64, Option<usize>)>,
    current: usize,
    patience_ns: u64,
}

impl Turns {
    /// The turns of `thread` of `threads`.
    pub fn new(plan: &Plan, thread: usize, threads: usize) -> Self {
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
            patience_ns: plan.patience.as_nanos() as u64,
        }
    }

    /// The turn of the connection number `connection` (counted over all threads) that is free at `now_ns`.
    pub fn next(&mut self, now_ns: u64, connection: usize) -> Turn {
        let due = self.arrivals.peek().copied();
        if let Some(arrival) = due.filter(|arrival| arrival.due_ns <= now_ns) {
            self.arrivals.next();
            return if now_ns - arrival.due_ns > self.patience_ns {
                Turn::GivenUp(arrival)
            } else {
                Turn::Send(arrival)
            };
        }
        let phase = self.phase_at(now_ns);
        let Some(&(end_ns, callers)) = self.phases.get(phase) else {
            return Turn::End;
        };
        if callers.is_some_and(|callers| connection < callers) {
            return Turn::Send(Arrival {
                due_ns: now_ns,
                phase,
            });
        }
        // At the end of a phase who was idle may become a caller.
        let until_ns = due.map_or(end_ns, |arrival| arrival.due_ns.min(end_ns));
        Turn::Wait { until_ns }
    }

    /// The phase that runs at `now_ns`; after the last one their number. Time must not go back.
    pub fn phase_at(&mut self, now_ns: u64) -> usize {
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

    fn turns(loads: &[Load]) -> Turns {
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
            patience: Duration::from_millis(50),
        };
        Turns::new(&plan, 0, 1)
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
        let mut turns = turns(&[open(50.0)]);
        assert_eq!(turns.next(0, 0), Turn::Send(arrival(0, 0)));
        assert_eq!(turns.next(MS, 1), Turn::Wait { until_ns: 20 * MS });
        // Everybody was busy for 65 ms: three are late, each is sent with the time at which it was due.
        assert_eq!(turns.next(65 * MS, 0), Turn::Send(arrival(20, 0)));
        assert_eq!(turns.next(65 * MS, 1), Turn::Send(arrival(40, 0)));
        assert_eq!(turns.next(66 * MS, 2), Turn::Send(arrival(60, 0)));
        assert_eq!(turns.next(66 * MS, 3), Turn::Wait { until_ns: 80 * MS });
        // The last one is taken after the phase has ended, and then it is over.
        assert_eq!(turns.next(120 * MS, 0), Turn::Send(arrival(80, 0)));
        assert_eq!(turns.next(120 * MS, 0), Turn::End);
    }

    #[test]
    fn who_waited_longer_than_users_do_is_given_up() {
        let mut turns = turns(&[open(50.0)]);
        assert_eq!(turns.next(60 * MS, 0), Turn::GivenUp(arrival(0, 0)));
        assert_eq!(turns.next(60 * MS, 0), Turn::Send(arrival(20, 0)));
    }

    #[test]
    fn callers_send_at_once_others_wait_for_the_next_phase() {
        let mut turns = turns(&[Load::Closed { callers: 2 }, open(50.0)]);
        let now = |ns, phase| Turn::Send(Arrival { due_ns: ns, phase });
        assert_eq!(turns.next(3, 1), now(3, 0));
        assert_eq!(turns.next(4, 1), now(4, 0));
        assert_eq!(turns.next(5, 2), Turn::Wait { until_ns: 100 * MS });
        assert_eq!(turns.next(100 * MS, 2), Turn::Send(arrival(100, 1)));
        assert_eq!(turns.next(101 * MS, 0), Turn::Wait { until_ns: 120 * MS });
    }

    #[test]
    fn idle_connections_are_woken_where_callers_come_in() {
        let mut turns = turns(&[open(10.0), Load::Closed { callers: 1 }, open(10.0)]);
        assert_eq!(turns.next(0, 0), Turn::Send(arrival(0, 0)));
        // The next arrival is due at 200 ms, the callers begin at 100.
        assert_eq!(turns.next(1, 0), Turn::Wait { until_ns: 100 * MS });
    }
}
