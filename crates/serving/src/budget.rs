//! One budget of memory for everything that requests make a server hold: heads, bodies as received and decompressed, what
//! is read from them, pictures while they are decoded and as they wait, and answers that nobody has read yet. What doesn't fit is refused and never waits.
//!
//! A [`Charge`] counts bytes for as long as it exists. [`Charge::hold`] ties it to the bytes themselves, so that it lasts
//! as long as the last slice of them, whatever holds that: a queue, a sample for the shadows, a connection's buffers.
//!
//! Every connection has an [`Account`], and a quarter of the budget is divided evenly among as many connections as there
//! may be: so much each can always hold, whatever the others do. The rest is shared, first come, first served, and one
//! connection gets at most half of what is left. So nobody can lock the others out: where large requests have to be
//! refused, small ones are still taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;

use super::PredictError;

/// The part of the budget that is divided evenly among the connections: one in so many.
const GUARANTEED: usize = 4;

/// A refusal is an answer, too: so much beyond the limit is kept for refusals, one part in this many.
const REFUSALS: usize = 16;

/// Limits the bytes of all requests together, by atomic operations alone.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// What one connection can always hold.
    guaranteed: usize,
    /// What all connections together may hold beyond that.
    shared_limit: usize,
    shared: AtomicUsize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes for at most so many connections.
    pub fn new(limit_bytes: usize, connections: usize) -> Arc<Self> {
        let divided = limit_bytes / GUARANTEED;
        Arc::new(Self {
            limit: limit_bytes,
            guaranteed: divided / connections.max(1),
            shared_limit: limit_bytes - divided,
            shared: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
        })
    }

    /// Bytes charged now.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// What a connection can hold at most: where no other holds anything.
    fn most_for_one(&self) -> usize {
        self.guaranteed + self.shared_limit / 2
    }

    /// The account of a new connection.
    pub fn account(self: &Arc<Self>) -> Account {
        Account(Arc::new(Holder {
            budget: self.clone(),
            held: AtomicUsize::new(0),
        }))
    }

    /// The part of a growth from `before` to `after` bytes that isn't guaranteed.
    fn beyond(&self, before: usize, after: usize) -> usize {
        after.max(self.guaranteed) - before.max(self.guaranteed)
    }

    /// Whether a connection may hold `held` bytes where all together hold `shared` beyond what is guaranteed.
    fn fits(&self, held: usize, shared: usize) -> bool {
        shared <= self.shared_limit
            && held.saturating_sub(self.guaranteed) <= self.shared_limit - shared
    }

    fn exceeded(&self) -> PredictError {
        PredictError::BytesInFlight {
            limit_bytes: self.limit,
        }
    }
}

#[derive(Debug)]
struct Holder {
    budget: Arc<Budget>,
    held: AtomicUsize,
}

impl Holder {
    fn take(&self, bytes: usize) -> Result<(), PredictError> {
        match self.add(bytes) {
            true => Ok(()),
            false => {
                self.give_back(bytes);
                Err(self.budget.exceeded())
            }
        }
    }

    /// Counts the bytes; whether they fit.
    fn add(&self, bytes: usize) -> bool {
        let budget = &self.budget;
        budget.used.fetch_add(bytes, Relaxed);
        let before = self.held.fetch_add(bytes, Relaxed);
        let held = before.saturating_add(bytes);
        let beyond = budget.beyond(before, held);
        if beyond == 0 {
            return true;
        }
        let shared = budget.shared.fetch_add(beyond, Relaxed);
        budget.fits(held, shared.saturating_add(beyond))
    }

    /// The sums stay exact however several calls interleave: each sees its own step of `held`.
    fn give_back(&self, bytes: usize) {
        let budget = &self.budget;
        let before = self.held.fetch_sub(bytes, Relaxed);
        let beyond = budget.beyond(before - bytes, before);
        if beyond > 0 {
            budget.shared.fetch_sub(beyond, Relaxed);
        }
        budget.used.fetch_sub(bytes, Relaxed);
    }
}

/// One connection's part of the budget. Clones are the same account.
#[derive(Clone, Debug)]
pub struct Account(Arc<Holder>);

impl Account {
    /// An empty charge, refused if so many bytes would not fit now. Only what has really come is charged: a peer that
    /// announces many bytes and sends none takes nothing from the others.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`].
    pub fn open(&self, announced_bytes: usize) -> Result<Charge, PredictError> {
        let budget = &self.0.budget;
        let before = self.0.held.load(Relaxed);
        let held = before.saturating_add(announced_bytes);
        let beyond = budget.beyond(before, held);
        let shared = budget.shared.load(Relaxed).saturating_add(beyond);
        if beyond > 0 && !budget.fits(held, shared) {
            return Err(budget.exceeded());
        }
        Ok(self.empty())
    }

    /// What this connection could hold if no other held anything: waiting for more is of no use.
    pub fn most(&self) -> usize {
        self.0.budget.most_for_one()
    }

    /// Charges bytes.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`].
    pub fn charge(&self, bytes: usize) -> Result<Charge, PredictError> {
        self.0.take(bytes)?;
        Ok(Charge {
            account: self.clone(),
            bytes,
        })
    }

    /// Charges the answer that says that something was refused: there is a little room beyond the limit for those. `None`
    /// if that is used up, too; then the only answer that is left is to close.
    pub fn charge_refusal(&self, bytes: usize) -> Option<Charge> {
        let budget = &self.0.budget;
        let fits = self.0.add(bytes);
        if !fits && budget.used() > budget.limit.saturating_add(budget.limit / REFUSALS) {
            self.0.give_back(bytes);
            return None;
        }
        Some(Charge {
            account: self.clone(),
            bytes,
        })
    }

    fn empty(&self) -> Charge {
        Charge {
            account: self.clone(),
            bytes: 0,
        }
    }
}

/// Bytes that count as long as this exists.
#[derive(Debug)]
pub struct Charge {
    account: Account,
    bytes: usize,
}

impl Charge {
    /// Charges more bytes, before they are kept.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`]; nothing is charged then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), PredictError> {
        self.account.0.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Ends the charge of so many bytes, which are no longer held.
    pub fn shrink(&mut self, bytes: usize) {
        drop(self.split(bytes));
    }

    /// Splits a part off: at most what there is.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            account: self.account.clone(),
            bytes,
        }
    }

    /// Whose charge it is.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Bytes charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ties the charge to what it is for: it ends with the last slice of these bytes.
    pub fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _charge: self,
        })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.account.0.give_back(self.bytes);
        }
    }
}

struct Held<T> {
    bytes: T,
    _charge: Charge,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 25 guaranteed bytes for each of four connections, 300 shared ones.
    fn budget() -> Arc<Budget> {
        Budget::new(400, 4)
    }

    #[test]
    fn what_is_announced_must_fit_and_only_what_came_is_charged() {
        let budget = budget();
        let account = budget.account();
        let mut first = account.open(175).expect("it fits");
        assert_eq!(budget.used(), 0, "an announcement charges nothing");
        assert!(matches!(
            account.open(176),
            Err(PredictError::BytesInFlight { limit_bytes: 400 })
        ));
        first.grow(165).expect("it fits");
        first.grow(11).expect_err("half of what is shared");
        first.grow(10).expect("a refused growth charged nothing");
        account
            .open(1)
            .expect_err("nothing more for this connection");
        assert_eq!(account.most(), first.bytes());
        budget
            .account()
            .open(100)
            .expect("75 of the 150 that are left");
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_guaranteed_is_there_however_greedy_the_others_are() {
        let budget = budget();
        let greedy: Vec<_> = (0..3)
            .map(|_| {
                let mut charge = budget.account().open(0).expect("nothing");
                for step in [100, 10, 1] {
                    while charge.grow(step).is_ok() {}
                }
                charge
            })
            .collect();
        assert!(greedy[0].bytes() >= 175, "{}", greedy[0].bytes());
        let mut honest = budget.account().open(25).expect("its own part");
        honest.grow(25).expect("its own part");
        honest.grow(300).expect_err("not more than is there");
        drop((greedy, honest));
        assert_eq!((budget.used(), budget.shared.load(Relaxed)), (0, 0));
    }

    #[test]
    fn a_charge_lasts_as_long_as_the_last_slice_of_its_bytes() {
        let budget = Budget::new(1000, 1);
        let mut charge = budget.account().charge(300).expect("it fits");
        let held = charge.split(200).hold(vec![7; 200]);
        drop(charge);
        assert_eq!(budget.used(), 200);
        let slice = held.slice(10..11);
        drop(held);
        assert_eq!((slice[0], budget.used()), (7, 200));
        drop(slice);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn refusals_have_a_little_room_of_their_own() {
        let budget = Budget::new(1600, 1600);
        let others: Vec<_> = (0..64).map(|_| budget.account()).collect();
        let mut full = Vec::new();
        for step in [300, 100, 10, 1] {
            full.extend(others.iter().flat_map(|other| other.charge(step)));
        }
        let account = budget.account();
        let before = budget.used();
        assert!(account.charge(400).is_err());
        assert_eq!(budget.used(), before);
        let refusals: Vec<_> = std::iter::from_fn(|| account.charge_refusal(50)).collect();
        assert!((1650..=1700).contains(&budget.used()), "{}", budget.used());
        drop((full, refusals));
        assert_eq!((budget.used(), budget.shared.load(Relaxed)), (0, 0));
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_and_all_comes_back(
            limit in 0usize..1000, steps in prop::collection::vec((0usize..4, 0usize..400, any::<bool>()), 0..60),
        ) {
            let budget = Budget::new(limit, 4);
            let mut requests: Vec<_> = (0..4).map(|_| budget.account().open(0).expect("nothing")).collect();
            for (request, bytes, grows) in steps {
                let before: usize = requests.iter().map(Charge::bytes).sum();
                prop_assert_eq!(budget.used(), before);
                match grows {
                    true => { let _ = requests[request].grow(bytes); }
                    false => requests[request].shrink(bytes),
                }
                prop_assert!(budget.used() <= limit);
            }
            drop(requests);
            prop_assert_eq!((budget.used(), budget.shared.load(Relaxed)), (0, 0));
        }
    }
}
