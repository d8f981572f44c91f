//! How answers reach those who wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Answer, BatchError};

/// One row's answer and the channel that it goes to.
pub(super) type Addressed = (
    oneshot::Sender<Result<Answer, BatchError>>,
    Result<Answer, BatchError>,
);

/// Runs the delivery of a batch's answers elsewhere. Dropping it closes every reply channel: each request then fails with a
/// lost worker instead of waiting for ever.
pub type Carrier = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Batches of up to so many rows are delivered by the worker itself: a hand-over would delay a lone caller's answer.
const DIRECT_ROWS: usize = 2;

/// Which thread sends a batch's answers.
#[derive(Clone)]
pub enum Delivery {
    /// The worker, one after the other.
    Direct,
    /// A task of the runtime whose tasks wait. To wake a task from a thread outside takes a lock, and often a system call,
    /// each time; from inside it is a push on a local queue. So a batch costs one wake-up from outside, not one a row.
    Carried(Carrier),
}

impl Delivery {
    pub(super) fn deliver(&self, answers: Vec<Addressed>) {
        match self {
            Self::Carried(carrier) if answers.len() > DIRECT_ROWS => {
                carrier(Box::new(|| send(answers)));
            }
            _ => send(answers),
        }
    }
}

/// A client that left meanwhile has dropped its receiver; its answer is dropped.
fn send(answers: Vec<Addressed>) {
    for (reply, answer) in answers {
        let _ = reply.send(answer);
    }
}
