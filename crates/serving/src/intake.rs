//! Receives a request's body: its deadline, its part of the budget, its use of the decoders.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Account, BodyError, Charge, PredictError, Serving, body::Encoding, deadline::Deadline,
};

/// When a request came, and the limits that its head states.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When its head was complete; deadlines count from here.
    pub received: Instant,
    /// The client's own deadline.
    pub timeout: Option<Duration>,
    /// The length of the body that the head states, in bytes; 0 if it doesn't.
    pub announced_bytes: usize,
}

/// A request from its complete head until its answer.
pub struct Intake<'a> {
    pub(super) serving: &'a Serving,
    pub(super) deadline: Deadline,
    charge: Charge,
}

impl Serving {
    /// Begins a request, of any model and role.
    ///
    /// # Errors
    /// Its deadline has passed, its body is longer than allowed, or there would be too many bytes in flight.
    pub fn begin(&self, account: &Account, options: &Options) -> Result<Intake<'_>, PredictError> {
        let deadline = Deadline::new(options.received, self.settings.deadline(), options.timeout);
        deadline.check(Instant::now())?;
        let limit_bytes = self.settings.max_body_bytes;
        if options.announced_bytes > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes }.into());
        }
        Ok(Intake {
            serving: self,
            deadline,
            charge: account.open(options.announced_bytes)?,
        })
    }
}

impl Intake<'_> {
    /// What this request makes the server hold.
    pub fn charge(&mut self) -> &mut Charge {
        &mut self.charge
    }

    /// The account of its connection.
    pub(super) fn account(&self) -> &Account {
        self.charge.account()
    }

    /// Until when the body may come, and the error if it comes later.
    pub fn deadline(&self) -> (Instant, PredictError) {
        (self.deadline.instant(), self.deadline.passed())
    }

    /// Decompresses a body on a blocking thread.
    ///
    /// # Errors
    /// The body is corrupt, too long when decompressed, over the budget, or the deadline passed.
    pub async fn decompress(
        &mut self,
        encoding: Encoding,
        bytes: Bytes,
    ) -> Result<Bytes, PredictError> {
        if encoding == Encoding::Identity {
            return Ok(bytes);
        }
        let limit = self.serving.settings.max_body_bytes;
        self.run(move |charge| encoding.undo(bytes, limit, charge))
            .await?
    }

    /// Runs what takes milliseconds, such as parsing a large body, on a thread for such work. The charge goes with the
    /// work: where the caller leaves, the bytes count for as long as the work holds them.
    ///
    /// # Errors
    /// The deadline passed, or the work panicked.
    pub async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Charge) -> T + Send + 'static,
    ) -> Result<T, PredictError> {
        let all = self.charge.bytes();
        let mut charge = self.charge.split(all);
        let work = move || (work(&mut charge), charge);
        let (result, charge) = self.serving.decoders.run(self.deadline, work).await?;
        self.charge = charge;
        Ok(result)
    }
}
