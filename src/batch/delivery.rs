//! How answers reach those who wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Answer, BatchError};

/// One row's answer and whose it is.
pub(super) type Addressed = (
    oneshot::Sender<Result<Answer, BatchError>>,
    Result<Answer, BatchError>,
);

/// Takes over to tell a batch's answers. Where it drops them, whoever waits hears that none will come.
pub type Carrier = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Batches of up to so many rows are told by the worker itself: a hand-over would delay a lone caller's answer.
const TOLD_DIRECTLY: usize = 2;

/// Who tells.
#[derive(Clone)]
pub enum Delivery {
    /// The worker, one after the other.
    Direct,
    /// Somebody inside the runtime whose tasks wait. To wake a task from a thread outside takes a lock, and often a system
    /// call, each time; from inside it is a push on a local queue. So a batch costs one of the first kind.
    Carried(Carrier),
}

impl Delivery {
    pub(super) fn tell(&self, answers: Vec<Addressed>) {
        match self {
            Self::Carried(carrier) if answers.len() > TOLD_DIRECTLY => {
                carrier(Box::new(|| tell(answers)));
            }
            _ => tell(answers),
        }
    }
}

/// A client that left meanwhile has dropped its receiver: nobody to tell.
fn tell(answers: Vec<Addressed>) {
    for (reply, answer) in answers {
        let _ = reply.send(answer);
    }
}
