//! CPU time of this process, all its threads together: an engine may use several.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// So many items are handed out at a time where each has to be prepared; more would only leave the caches.
const PREPARED: usize = 64;

/// Runs shorter than this are timed several at once, or the clock would be what is measured.
const SHORTEST: Duration = Duration::from_micros(500);

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// CPU-µs of one `work`, repeated for `time` after a quarter of it to warm.
///
/// # Errors
/// The first of `work`'s.
pub fn cpu_us<E>(time: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
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

/// The same for work that consumes what `prepare` makes, whose own time doesn't count.
pub fn cpu_us_of<T>(
    time: Duration,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T),
) -> f64 {
    let begun = Instant::now();
    let (mut cpu, mut runs) = (0.0, 0);
    let mut items = Vec::with_capacity(PREPARED);
    while runs == 0 || begun.elapsed() < time {
        items.extend(std::iter::repeat_with(&mut prepare).take(PREPARED));
        let before = cpu_seconds();
        items.drain(..).for_each(&mut work);
        cpu += cpu_seconds() - before;
        runs += PREPARED;
    }
    cpu * 1e6 / runs as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preparing_does_not_count() {
        let spin = |rounds: u64| (0..rounds).fold(1u64, |x, y| std::hint::black_box(x ^ y));
        let time = Duration::from_millis(5);
        let work = |rounds| drop(std::hint::black_box(spin(rounds)));
        let short = cpu_us_of(time, || spin(200_000), |_| work(2_000));
        let long = cpu_us_of(time, || spin(200_000), |_| work(200_000));
        assert!(short < long / 3.0, "{short} against {long}");
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
