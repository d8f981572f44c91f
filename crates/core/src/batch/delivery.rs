//! How answers reach the tasks that wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Answer, BatchError};

/// One row's answer and the channel that it goes to.
pub(super) type Addressed = (
    oneshot::Sender<Result<Answer, BatchError>>,
    Result<Answer, BatchError>,
);

/// Runs the delivery of a batch's answers on another thread. If the delivery is dropped, every reply channel closes:
/// each request then fails because its worker was lost, instead of waiting for ever.
pub type Carrier = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Batches of up to this many rows are delivered by the worker itself: a hand-over would delay the answer of a single
/// caller.
const DIRECT_ROWS: usize = 2;

/// Which thread sends a batch's answers.
#[derive(Clone)]
pub enum Delivery {
    /// The worker sends them, one after the other.
    Direct,
    /// A task of the runtime on which the requests wait. Waking a task from a thread outside of the runtime takes a
    /// lock, and often a system call, each time; from inside it is a push on a local queue. So a batch costs one
    /// wake-up from outside, not one per row.
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

/// A client that has left meanwhile has dropped its receiver; its answer is dropped.
fn send(answers: Vec<Addressed>) {
    for (reply, answer) in answers {
        let _ = reply.send(answer);
    }
}
