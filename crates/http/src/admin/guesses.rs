//! How often a token may be guessed: ten times a second from one address, a hundred times from all together.
//!
//! A guess counts when it is compared with the tokens, whatever connection brought it. Beyond the limit a request is refused
//! without a comparison, also one with the right token: otherwise every guess would be tried all the same. So somebody who
//! guesses can shut out others of the same address for as long as that goes on. Addresses that have shown a right token are
//! exempt from the limit of all together, so that strangers can't shut them out.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::admin_error::AdminError;

const PER_SECOND_OF_ADDRESS: f64 = 10.0;
const PER_SECOND_OF_ALL: f64 = 100.0;

/// How many seconds' guesses may come at once.
const BURST_SECONDS: f64 = 2.0;

/// Cells for addresses; those that share one share its limit.
const ADDRESSES: usize = 4096;

/// Cells for addresses with a right token; those that share one push each other out.
const KNOWN: usize = 256;

/// How long an address is remembered after its last right token.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// The guesses of late, in constant memory.
pub(super) struct Guesses {
    /// Keyed anew in each process, so that nobody can choose whose cell they share.
    hasher: RandomState,
    inner: Mutex<Inner>,
}

struct Inner {
    of_address: Vec<Bucket>,
    of_all: Bucket,
    known: Vec<Option<(u64, Instant)>>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            inner: Mutex::new(Inner {
                of_address: vec![Bucket::default(); ADDRESSES],
                of_all: Bucket::default(),
                known: vec![None; KNOWN],
            }),
        }
    }
}

impl Guesses {
    /// Has a token compared, if its address may still guess.
    ///
    /// # Errors
    /// It is wrong, or isn't looked at.
    pub(super) fn compare<T>(
        &self,
        address: IpAddr,
        now: Instant,
        compare: impl FnOnce() -> Option<T>,
    ) -> Result<T, AdminError> {
        let address = self.hasher.hash_one(neighbourhood(address));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            of_address,
            of_all,
            known,
        } = &mut *inner;
        let own = &mut of_address[address as usize % ADDRESSES];
        let known = &mut known[address as usize % KNOWN];
        let is_known = known.is_some_and(|(known, since)| {
            known == address && now.saturating_duration_since(since) < KNOWN_FOR
        });
        if !own.has_one(PER_SECOND_OF_ADDRESS, now)
            || !(of_all.has_one(PER_SECOND_OF_ALL, now) || is_known)
        {
            return Err(AdminError::TooManyGuesses);
        }
        let Some(right) = compare() else {
            own.take();
            of_all.take();
            return Err(AdminError::WrongToken);
        };
        *known = Some((address, now));
        Ok(right)
    }
}

/// What one guesser has at hand: of IPv6, a network of 64 bits.
fn neighbourhood(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) >> 64 << 64,
    }
}

/// Guesses that were made and not yet forgotten.
#[derive(Clone, Default)]
struct Bucket {
    made: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn has_one(&mut self, per_second: f64, now: Instant) -> bool {
        let since = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.made = (self.made - since.as_secs_f64() * per_second).max(0.0);
        self.at = Some(now);
        self.made + 1.0 <= per_second * BURST_SECONDS
    }

    fn take(&mut self) {
        self.made += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    /// How many of so many tries, evenly spread over this time, were compared.
    fn compared(
        guesses: &Guesses,
        tries: u32,
        (from, over): (Instant, Duration),
        address: impl Fn(u32) -> IpAddr,
    ) -> u32 {
        let mut compared = 0;
        for number in 0..tries {
            let now = from + over * number / tries;
            let _ = guesses.compare(address(number), now, || {
                compared += 1;
                None::<()>
            });
        }
        compared
    }

    #[test]
    fn d3_ten_guesses_a_second_of_an_address_and_a_hundred_of_all() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let one = compared(&Guesses::default(), 100_000, (start, minute), |_| v4(7));
        assert!((590..=620).contains(&one), "{one} in a minute");
        let many = compared(&Guesses::default(), 100_000, (start, minute), v4);
        assert!((5900..=6200).contains(&many), "{many} in a minute");
        // A whole network of 64 bits is one guesser's, and so is an IPv4 address in another spelling.
        let v6 = |number: u32| format!("2001:db8::{number:x}").parse().expect("an address");
        let network = compared(&Guesses::default(), 10_000, (start, minute), v6);
        assert!((590..=620).contains(&network), "{network} in a minute");
        let mapped = |number: u32| match number % 2 {
            0 => "::ffff:10.0.0.1".parse().expect("an address"),
            _ => "10.0.0.1".parse().expect("an address"),
        };
        let both = compared(&Guesses::default(), 10_000, (start, minute), mapped);
        assert!((590..=620).contains(&both), "{both} in a minute");
    }

    #[test]
    fn d3_a_right_token_among_guesses_is_not_looked_at_beyond_the_limit() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        compared(&guesses, 1000, (now, Duration::ZERO), |_| v4(7));
        let right = guesses.compare(v4(7), now, || Some("anna"));
        assert!(matches!(right, Err(AdminError::TooManyGuesses)));
        let later = now + Duration::from_millis(200);
        assert!(guesses.compare(v4(7), later, || Some("anna")).is_ok());
    }

    #[test]
    fn d3_strangers_do_not_shut_out_an_operators_address() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let operator = "192.0.2.1".parse().expect("an address");
        assert!(guesses.compare(operator, now, || Some("anna")).is_ok());
        compared(&guesses, 100_000, (now, Duration::ZERO), v4);
        assert!(guesses.compare(operator, now, || Some("anna")).is_ok());
        let stranger = "198.51.100.1".parse().expect("an address");
        let other = guesses.compare(stranger, now, || Some("anna"));
        assert!(matches!(other, Err(AdminError::TooManyGuesses)));
        // Right tokens aren't guesses: any number of them is taken.
        for _ in 0..1000 {
            assert!(guesses.compare(operator, now, || Some("anna")).is_ok());
        }
    }
}
