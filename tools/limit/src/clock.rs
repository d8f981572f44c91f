//! CPU time of this process: the sum over all its threads, because an engine may use several.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Items prepared ahead of each timed batch; more would not fit into the caches.
const PREPARED: usize = 64;

/// Shorter runs are timed several at once, because reading the clock would dominate otherwise.
const SHORTEST: Duration = Duration::from_micros(500);

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// CPU-µs of one `work`, repeated for `time` after a quarter of that to warm up.
///
/// # Errors
/// The first error of `work`.
pub(crate) fn cpu_us<E>(time: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut at_once = 1;
    let mut measure = |time: Duration| -> Result<f64, E> {
        let (begun, cpu, mut runs) = (Instant::now(), cpu_seconds(), 0);
        loop {
            let before = begun.elapsed();
            for _ in 0..at_once {
                work()?;
            }
            runs += at_once;
            let now = begun.elapsed();
            if now >= time {
                return Ok((cpu_seconds() - cpu) * 1e6 / runs as f64);
            }
            if now - before < SHORTEST {
                at_once *= 2;
            }
        }
    };
    measure(time / 4)?;
    measure(time)
}

/// Like [`cpu_us`], for work that consumes a value; the time of `prepare`, which creates it, doesn't count.
pub(crate) fn cpu_us_of<T>(time: Duration, prepare: impl FnMut() -> T, work: impl FnMut(T)) -> f64 {
    spent_on(cpu_seconds, time, prepare, work) * 1e6
}

/// Mean seconds of `clock` per `work`.
fn spent_on<T>(
    clock: impl Fn() -> f64,
    time: Duration,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T),
) -> f64 {
    let begun = Instant::now();
    let (mut spent, mut runs) = (0.0, 0);
    let mut items = Vec::with_capacity(PREPARED);
    while runs == 0 || begun.elapsed() < time {
        items.extend(std::iter::repeat_with(&mut prepare).take(PREPARED));
        let before = clock();
        items.drain(..).for_each(&mut work);
        spent += clock() - before;
        runs += PREPARED;
    }
    spent / runs as f64
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn preparing_does_not_count() {
        let now = Cell::new(0.0);
        let takes = |seconds: f64| now.set(now.get() + seconds);
        let each = spent_on(
            || now.get(),
            Duration::from_millis(1),
            || takes(1000.0),
            |()| takes(0.5),
        );
        assert_eq!(each, 0.5);
    }

    #[test]
    fn the_first_error_ends_it() {
        let mut runs = 0;
        let failed = cpu_us(Duration::from_secs(3600), || {
            runs += 1;
            if runs == 3 { Err("third") } else { Ok(()) }
        });
        assert_eq!(failed, Err("third"));
    }
}
