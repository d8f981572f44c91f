//! What a listener knows about one connection: its account, whether it is in use, how long its answers have been waiting, and
//! the head that was refused. Atomic operations alone, so that a request never waits here.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use stillhouse_serving::{Account, Charge};

use super::{
    head::HeadError,
    streams::{OnItsWay, Stream},
};
use crate::peer::Peer;

/// Ages of unread answers are distinguished in so many steps.
pub(super) const AGES: usize = 8;

/// No head was refused.
const NONE: u64 = u64::MAX;

/// Counts uses of all connections: the connection with the lowest number has been idle for the longest time.
static USES: AtomicU64 = AtomicU64::new(0);

/// One connection. It counts as in use while a request is being answered or an answer is unread.
#[derive(Debug)]
pub(crate) struct Connection {
    account: Account,
    peer: Peer,
    in_use: AtomicU32,
    last_use: AtomicU64,
    /// The unread answers of each age; an age is a position in this ring, counted from `now`.
    unread: [AtomicU32; AGES],
    now: AtomicUsize,
    /// Whether a head has begun and not ended; the gate gives it its own time.
    in_head: AtomicBool,
    /// Heads of HTTP/1 that the gate has passed on, and requests that have come out of hyper.
    heads: AtomicU64,
    requests: AtomicU64,
    refused_at: AtomicU64,
    refusal: Mutex<Option<HeadError>>,
}

impl Connection {
    pub(crate) fn new(account: Account, peer: Peer) -> Arc<Self> {
        Arc::new(Self {
            account,
            peer,
            in_use: AtomicU32::new(0),
            last_use: AtomicU64::new(USES.fetch_add(1, Relaxed)),
            unread: [const { AtomicU32::new(0) }; AGES],
            now: AtomicUsize::new(0),
            in_head: AtomicBool::new(false),
            heads: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            refused_at: AtomicU64::new(NONE),
            refusal: Mutex::new(None),
        })
    }

    /// The address at its other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    /// Its part of the memory.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Begins a request. If its head was refused before hyper read it, hyper got a stand-in, and the reason is returned.
    pub(crate) fn begin(self: &Arc<Self>) -> (InUse, Option<HeadError>) {
        let in_use = InUse::new(self);
        let number = self.requests.fetch_add(1, Relaxed);
        let refusal = match self.refused_at.load(Relaxed) == number {
            false => None,
            true => *self.refusal.lock().unwrap_or_else(PoisonError::into_inner),
        };
        (in_use, refusal)
    }

    /// Counts a head of HTTP/1 that is passed on to hyper.
    pub(super) fn head_passed(&self) {
        self.heads.fetch_add(1, Relaxed);
    }

    /// The next head that hyper gets is a stand-in for one that was refused.
    pub(super) fn refuse(&self, error: HeadError) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.refused_at.store(self.heads.load(Relaxed), Relaxed);
        self.head_passed();
    }

    /// Says whether a head has begun and not ended.
    pub(super) fn set_in_head(&self, in_head: bool) {
        self.in_head.store(in_head, Relaxed);
    }

    /// Whether no request is being answered; one may have begun to come.
    pub(super) fn is_idle(&self) -> bool {
        self.in_use.load(Relaxed) == 0
    }

    /// Whether nothing is going on at all.
    pub(super) fn is_still(&self) -> bool {
        self.is_idle() && !self.in_head.load(Relaxed)
    }

    /// Requests that have come; to notice whether one came between two looks.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Grows with the time of the last use, among all connections.
    pub(super) fn last_use(&self) -> u64 {
        self.last_use.load(Relaxed)
    }

    /// Makes the unread answers one step older; whether one of them is too old.
    pub(super) fn age(&self) -> bool {
        let next = self.now.load(Relaxed) + 1;
        // At this position are those of the oldest age.
        if self.unread[next % AGES].load(Relaxed) > 0 {
            return true;
        }
        self.now.store(next, Relaxed);
        false
    }

    /// Ties a part of an answer to its charge and to this connection until the kernel has taken it. Over HTTP/2 its stream
    /// has its own patience.
    pub(super) fn unread(
        self: &Arc<Self>,
        bytes: Bytes,
        charge: Charge,
        stream: Option<&Arc<Stream>>,
    ) -> Bytes {
        let age = match stream {
            Some(stream) => Age::OfStream {
                _on_its_way: OnItsWay::new(stream),
            },
            None => Age::new(self),
        };
        Bytes::from_owner(Unread {
            bytes,
            _charge: charge,
            _age: age,
            _in_use: InUse::new(self),
        })
    }
}

/// A connection is in use as long as one of these exists.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Connection>);

impl InUse {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.in_use.fetch_add(1, Relaxed);
        Self(connection.clone())
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.last_use.store(USES.fetch_add(1, Relaxed), Relaxed);
        self.0.in_use.fetch_sub(1, Relaxed);
    }
}

/// Dropped from the first field on: the charge has ended when its stream or connection notices.
struct Unread {
    bytes: Bytes,
    _charge: Charge,
    _age: Age,
    _in_use: InUse,
}

/// What notices that a part of an answer isn't read.
enum Age {
    OfConnection {
        connection: Arc<Connection>,
        age: usize,
    },
    OfStream {
        _on_its_way: OnItsWay,
    },
}

impl Age {
    fn new(connection: &Arc<Connection>) -> Self {
        let age = connection.now.load(Relaxed) % AGES;
        connection.unread[age].fetch_add(1, Relaxed);
        Self::OfConnection {
            connection: connection.clone(),
            age,
        }
    }
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Age {
    fn drop(&mut self) {
        if let Self::OfConnection { connection, age } = self {
            connection.unread[*age].fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use stillhouse_serving::Budget;

    use super::*;

    fn connection() -> (Arc<Budget>, Arc<Connection>) {
        let budget = Budget::new(1 << 20, 1);
        let connection = Connection::new(budget.account(), Peer(Ipv4Addr::LOCALHOST.into()));
        (budget, connection)
    }

    fn answer(connection: &Arc<Connection>) -> Bytes {
        let charge = connection.account().charge(100).expect("it fits");
        connection.unread(Bytes::from_static(b"answer"), charge, None)
    }

    #[test]
    fn c1_an_answer_grows_too_old_unless_it_is_read() {
        let (budget, connection) = connection();
        for _ in 0..3 * AGES {
            let read = answer(&connection);
            assert!(!connection.age() && !connection.is_idle());
            drop(read);
        }
        let unread = answer(&connection);
        let ages = (0..2 * AGES).position(|_| connection.age());
        assert_eq!(ages, Some(AGES - 1));
        assert_eq!(budget.used(), 100);
        drop(unread);
        assert!(!connection.age() && connection.is_idle());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn c8_a_refusal_belongs_to_its_own_request() {
        let (_, connection) = connection();
        connection.head_passed();
        connection.head_passed();
        connection.refuse(HeadError::Host);
        let refusals: Vec<_> = (0..3).map(|_| connection.begin().1).collect();
        assert_eq!(refusals, [None, None, Some(HeadError::Host)]);
    }

    #[test]
    fn c4_the_connection_that_was_used_last_is_the_youngest() {
        let (_, first) = connection();
        let (_, second) = connection();
        assert!(first.last_use() < second.last_use());
        drop(first.begin());
        assert!(first.last_use() > second.last_use());
    }
}
