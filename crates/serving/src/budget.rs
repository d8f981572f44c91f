//! One budget for the bytes of all request bodies: what does not fit is refused and never waits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::PredictError;

/// Limits the bytes of all bodies together. Costs two atomic operations per request.
#[derive(Debug)]
pub(super) struct ByteBudget {
    limit: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Bytes reserved now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// An empty reservation, refused if `announced_bytes` would not fit now. Only bytes that have really been received
    /// are reserved: a peer that announces many bytes and sends none takes nothing from the others.
    pub(super) fn open(
        self: &Arc<Self>,
        announced_bytes: usize,
    ) -> Result<Reservation, PredictError> {
        if self.used().saturating_add(announced_bytes) > self.limit {
            return Err(self.exceeded());
        }
        Ok(Reservation {
            budget: self.clone(),
            bytes: 0,
        })
    }

    fn exceeded(&self) -> PredictError {
        PredictError::BytesInFlight {
            limit_bytes: self.limit,
        }
    }
}

/// The bytes of one request; freed when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl Reservation {
    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`]; nothing is reserved then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), PredictError> {
        let before = self.budget.used.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.budget.limit {
            self.budget.used.fetch_sub(bytes, Relaxed);
            return Err(self.budget.exceeded());
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_announced_must_fit_and_only_what_came_is_reserved() {
        let budget = Arc::new(ByteBudget::new(100));
        let mut first = budget.open(100).expect("it fits");
        assert_eq!(budget.used(), 0, "an announcement reserves nothing");
        first.grow(60).expect("it fits");
        assert!(matches!(
            budget.open(41),
            Err(PredictError::BytesInFlight { limit_bytes: 100 })
        ));
        let mut second = budget.open(0).expect("nothing was announced");
        second.grow(41).expect_err("60 + 41 > 100");
        second.grow(40).expect("a refused growth reserved nothing");
        drop(first);
        assert_eq!(budget.used(), 40);
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_and_all_comes_back(
            limit in 0usize..1000, growths in prop::collection::vec((0usize..4, 0usize..400), 0..60),
        ) {
            let budget = Arc::new(ByteBudget::new(limit));
            let mut requests: Vec<_> = (0..4).map(|_| budget.open(0).expect("nothing")).collect();
            for (request, bytes) in growths {
                let before = budget.used();
                let fits = before + bytes <= limit;
                prop_assert_eq!(requests[request].grow(bytes).is_ok(), fits);
                prop_assert_eq!(budget.used(), if fits { before + bytes } else { before });
            }
            drop(requests);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
