//! What a swell of requests leaves in the allocator's heaps is returned to the system once the swell is over.

use std::{sync::Arc, time::Duration};

use crate::serving::Budget;

/// How often the requests' bytes are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A swell is at least this, since returning memory holds up every thread that allocates for some milliseconds; it is over when a
/// quarter is left.
const SWELL_BYTES: usize = 16 << 20;
const LEFT: usize = 4;

/// Looks for ever.
pub(super) async fn run(budget: Arc<Budget>) {
    let mut tide = Tide::default();
    loop {
        tokio::time::sleep(LOOK).await;
        if tide.has_ebbed(budget.used()) {
            let _ = tokio::task::spawn_blocking(stillhouse_engine::return_free_memory).await;
        }
    }
}

/// The greatest of what was seen.
#[derive(Debug, Default)]
struct Tide {
    most: usize,
}

impl Tide {
    /// Whether a swell is over, by one more look.
    fn has_ebbed(&mut self, used: usize) -> bool {
        self.most = self.most.max(used);
        let is_over = self.most >= SWELL_BYTES && used <= self.most / LEFT;
        if is_over {
            self.most = used;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_memory_is_returned_once_after_each_swell_and_never_in_one() {
        let mut tide = Tide::default();
        let looks =
            [1, 3, 17, 40, 12, 30, 10, 2, 1, 0, 3, 15, 1, 64, 16, 20, 4].map(|mib| mib << 20);
        let ebbs: Vec<usize> = (0..looks.len())
            .filter(|look| tide.has_ebbed(looks[*look]))
            .collect();
        // 40 → 10, 64 → 16, and 20 → 4.
        assert_eq!(ebbs, [6, 14, 16]);
    }
}
