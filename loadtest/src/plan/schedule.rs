//! When requests are due (pure, and reproducible by its seed).
//!
//! Arrival times come from a unit-rate process by inversion of the integrated rate: the process has marks at 0, 1, 2 …
//! (constant spacing) or with exponential gaps of mean 1 (Poisson), and a mark's time is when the integral of the rate
//! reaches the mark's value. This covers constant rates, ramps and jumps. Of n threads each takes every n-th mark, or for
//! Poisson has a process of 1/n of the rate, whose superposition is the whole process.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::phases::{Load, Plan, Spacing};

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Since the run began.
    pub due_ns: u64,
    /// Index of its phase in the plan.
    pub phase: usize,
}

struct Segment {
    begin_seconds: f64,
    duration_seconds: f64,
    from: f64,
    to: f64,
    /// Total number of requests due before it begins.
    due_before: f64,
}

/// One thread's part of the arrivals of a plan's open-loop phases, in order.
pub(super) struct Schedule {
    segments: Vec<Segment>,
    current: usize,
    spacing: Spacing,
    step: f64,
    mark: f64,
    random: StdRng,
}

impl Schedule {
    /// The part of `thread` of `threads`.
    pub(super) fn new(plan: &Plan, thread: usize, threads: usize) -> Self {
        let (mut begin_seconds, mut due_before) = (0.0, 0.0);
        let mut segments = Vec::new();
        for phase in &plan.phases {
            let duration_seconds = phase.duration.as_secs_f64();
            let (from, to) = match phase.load {
                Load::Open { from, to } => (from, to),
                Load::Closed { .. } => (0.0, 0.0),
            };
            segments.push(Segment {
                begin_seconds,
                duration_seconds,
                from,
                to,
                due_before,
            });
            begin_seconds += duration_seconds;
            due_before += (from + to) / 2.0 * duration_seconds;
        }
        let mut schedule = Self {
            segments,
            current: 0,
            spacing: plan.spacing,
            step: threads as f64,
            mark: thread as f64,
            // Each thread needs random numbers of its own.
            random: StdRng::seed_from_u64(plan.seed.wrapping_add(thread as u64)),
        };
        if schedule.spacing == Spacing::Poisson {
            schedule.mark = schedule.exponential();
        }
        schedule
    }

    fn exponential(&mut self) -> f64 {
        let uniform: f64 = self.random.random();
        -(1.0 - uniform).ln() * self.step
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let segment = self.segments.get(self.current)?;
            let wanted = self.mark - segment.due_before;
            if wanted >= (segment.from + segment.to) / 2.0 * segment.duration_seconds {
                self.current += 1;
                continue;
            }
            let seconds = segment.begin_seconds + segment.when(wanted);
            let phase = self.current;
            self.mark += match self.spacing {
                Spacing::Constant => self.step,
                Spacing::Poisson => self.exponential(),
            };
            return Some(Arrival {
                due_ns: (seconds * 1e9) as u64,
                phase,
            });
        }
    }
}

impl Segment {
    /// Seconds after which `wanted` requests are due: the solution t of from·t + (to − from)·t²/2d = wanted, in a form that
    /// also holds for constant rates.
    fn when(&self, wanted: f64) -> f64 {
        let slope = (self.to - self.from) / self.duration_seconds;
        let root = (self.from * self.from + 2.0 * slope * wanted)
            .max(0.0)
            .sqrt();
        if wanted == 0.0 {
            return 0.0;
        }
        2.0 * wanted / (self.from + root)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::Phase;

    fn plan(spacing: Spacing, loads: &[(f64, f64, f64)]) -> Plan {
        let phase = |&(from, to, seconds): &(f64, f64, f64)| Phase {
            name: String::new(),
            load: Load::Open { from, to },
            duration: Duration::from_secs_f64(seconds),
            measured: true,
        };
        Plan {
            phases: loads.iter().map(phase).collect(),
            spacing,
            seed: 7,
            max_wait: Duration::from_secs(1),
        }
    }

    fn due(plan: &Plan, thread: usize, threads: usize) -> Vec<u64> {
        Schedule::new(plan, thread, threads)
            .map(|arrival| arrival.due_ns)
            .collect()
    }

    #[test]
    fn constant_arrivals_lie_at_equal_distances() {
        let plan = plan(Spacing::Constant, &[(100.0, 100.0, 0.05)]);
        let millions: Vec<u64> = due(&plan, 0, 1).iter().map(|ns| ns / 1_000_000).collect();
        assert_eq!(millions, [0, 10, 20, 30, 40]);
    }

    #[test]
    fn a_ramp_sends_the_integral_of_its_rate() {
        let plan = plan(
            Spacing::Constant,
            &[(0.0, 1000.0, 2.0), (500.0, 500.0, 1.0)],
        );
        let due = due(&plan, 0, 1);
        assert_eq!(due.len(), 1500);
        // A quarter of a ramp's requests are due at half of its time.
        assert_eq!(due.iter().filter(|&&ns| ns < 1_000_000_000).count(), 250);
        assert_eq!(due.iter().filter(|&&ns| ns < 2_000_000_000).count(), 1000);
    }

    #[test]
    fn poisson_gaps_have_the_exponential_mean_and_spread() {
        let plan = plan(Spacing::Poisson, &[(1000.0, 1000.0, 100.0)]);
        let due = due(&plan, 0, 1);
        let gaps: Vec<f64> = due
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 * 1e-6)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let spread = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // 100 000 gaps of 1 ms: the standard errors are 0.003 and 0.009.
        assert!((mean - 1.0).abs() < 0.015, "{mean}");
        assert!((spread - 1.0).abs() < 0.05, "{spread}");
        let long = gaps.iter().filter(|&&gap| gap > 3.0).count() as f64 / gaps.len() as f64;
        assert!((long - (-3.0f64).exp()).abs() < 0.005, "{long}");
    }

    #[test]
    fn a_seed_names_its_arrivals() {
        let one = plan(Spacing::Poisson, &[(1000.0, 1000.0, 1.0)]);
        let other = Plan {
            seed: 8,
            ..one.clone()
        };
        assert_eq!(due(&one, 0, 1), due(&one, 0, 1));
        assert_ne!(due(&one, 0, 1), due(&other, 0, 1));
        assert_ne!(due(&one, 0, 2), due(&one, 1, 2));
    }

    #[test]
    fn closed_phases_have_no_arrivals() {
        let mut plan = plan(
            Spacing::Constant,
            &[(10.0, 10.0, 1.0), (1.0, 1.0, 5.0), (10.0, 10.0, 1.0)],
        );
        plan.phases[1].load = Load::Closed { callers: 4 };
        let arrivals: Vec<Arrival> = Schedule::new(&plan, 0, 1).collect();
        assert_eq!(arrivals.len(), 20);
        assert_eq!(arrivals[9].phase, 0);
        assert_eq!(
            (arrivals[10].phase, arrivals[10].due_ns),
            (2, 6_000_000_000)
        );
    }

    proptest! {
        #[test]
        fn threads_share_one_schedule(
            loads in prop::collection::vec((0.0f64..300.0, 1.0f64..300.0, 0.1f64..3.0), 1..5),
            threads in 1usize..5,
        ) {
            let plan = plan(Spacing::Constant, &loads);
            let mut shared: Vec<u64> = (0..threads).flat_map(|thread| due(&plan, thread, threads)).collect();
            shared.sort_unstable();
            prop_assert_eq!(shared, due(&plan, 0, 1));
        }

        #[test]
        fn arrivals_are_in_order_and_in_their_phase(
            loads in prop::collection::vec((0.0f64..300.0, 1.0f64..300.0, 0.1f64..3.0), 1..5),
        ) {
            let plan = plan(Spacing::Poisson, &loads);
            let ends: Vec<f64> = loads.iter().scan(0.0, |end, load| { *end += load.2; Some(*end) }).collect();
            let mut last = 0;
            for arrival in Schedule::new(&plan, 0, 1) {
                prop_assert!(arrival.due_ns >= last);
                prop_assert!(arrival.due_ns as f64 * 1e-9 <= ends[arrival.phase] + 1e-6);
                last = arrival.due_ns;
            }
        }
    }
}
