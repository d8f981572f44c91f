//! When a session gives memory back.
//!
//! A session's arena keeps what its largest batch took: 277 MB after a batch of 32 where 80 MB serve a SqueezeNet row
//! by row. Shrinking it after every run costs large batches a third of their throughput, doing without an arena the
//! same, so it is shrunk once when large batches have ceased, as they do after warm-up and after a rush.

/// After this many small batches in a row no more large ones are expected.
const QUIET_RUNS: u32 = 64;

/// The recent history of a session's batches.
#[derive(Default)]
pub(super) struct Arena {
    /// The largest batch since the arena was last shrunk.
    largest: usize,
    quiet_runs: u32,
}

impl Arena {
    /// Whether a run of `rows` should end with shrinking the arena; counts that run.
    pub(super) fn shrinks_after(&mut self, rows: usize) -> bool {
        self.quiet_runs = match rows * 4 > self.largest {
            true => 0,
            false => self.quiet_runs + 1,
        };
        let shrinks = self.quiet_runs == QUIET_RUNS;
        if shrinks {
            *self = Self::default();
        }
        self.largest = self.largest.max(rows);
        shrinks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places in `batches` after which the arena is shrunk.
    fn shrinks(batches: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut arena = Arena::default();
        batches
            .into_iter()
            .enumerate()
            .filter(|(_, rows)| arena.shrinks_after(*rows))
            .map(|(i, _)| i)
            .collect()
    }

    #[test]
    fn only_a_long_quiet_after_a_large_batch_counts() {
        let repeated = |rows: usize, times| std::iter::repeat_n(rows, times);
        assert!(
            shrinks(repeated(1, 1000)).is_empty(),
            "nothing to give back"
        );
        assert!(shrinks(repeated(32, 1000)).is_empty(), "nothing to spare");
        assert_eq!(
            shrinks(repeated(32, 1).chain(repeated(1, 1000))),
            [64],
            "once"
        );
        assert_eq!(
            shrinks(repeated(32, 1).chain(repeated(8, 1000))),
            [64],
            "a quarter is small"
        );
        assert!(
            shrinks(repeated(32, 1).chain(repeated(9, 1000))).is_empty(),
            "more than a quarter isn't"
        );
        let rush = repeated(1, 63).chain(repeated(32, 1));
        assert!(
            shrinks(std::iter::repeat_n(rush, 10).flatten()).is_empty(),
            "the rushes go on"
        );
        assert_eq!(
            shrinks(
                (1..=64)
                    .chain(repeated(2, 70))
                    .chain(repeated(64, 1))
                    .chain(repeated(1, 64))
            ),
            [127, 198]
        );
    }
}
