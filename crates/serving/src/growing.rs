//! Bytes that come piece by piece: their memory is charged before it is allocated, and grows with what has really come.

use bytes::Bytes;

use super::{Charge, PredictError};

/// The least that is allocated.
const LEAST_BYTES: usize = 1 << 10;

/// A buffer and the charge of its whole capacity.
#[derive(Debug)]
pub struct Growing {
    bytes: Vec<u8>,
    len: usize,
    charge: Charge,
    most_bytes: usize,
}

impl Growing {
    /// An empty buffer that will hold at most about `most_bytes`; `charge` is what its memory is added to.
    pub fn new(charge: Charge, most_bytes: usize) -> Self {
        Self {
            bytes: Vec::new(),
            len: 0,
            charge,
            most_bytes,
        }
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Room for at least `bytes` more.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`].
    pub fn space(&mut self, bytes: usize) -> Result<&mut [u8], PredictError> {
        let needed = self.len + bytes;
        if needed > self.bytes.len() {
            // Doubled, so that little is copied; but no more than will ever be needed.
            let doubled = (2 * self.bytes.len()).min(self.most_bytes);
            let size = needed.max(doubled).max(LEAST_BYTES);
            self.charge.grow(size - self.bytes.len())?;
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
        Ok(&mut self.bytes[self.len..])
    }

    /// Counts bytes that were written into [`Growing::space`].
    pub fn filled(&mut self, bytes: usize) {
        self.len = (self.len + bytes).min(self.bytes.len());
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`PredictError::BytesInFlight`].
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), PredictError> {
        self.space(bytes.len())?[..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    /// What has come; the charge lasts as long as any slice of it.
    pub fn finish(mut self) -> Bytes {
        self.bytes.truncate(self.len);
        self.charge.hold(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn what_is_allocated_is_charged_and_never_far_ahead_of_what_came() {
        let budget = Budget::new(1 << 20, 1);
        let account = budget.account();
        let mut growing = Growing::new(account.open(0).expect("nothing"), 300_000);
        let part = [7; 1000];
        let mut refused = false;
        for _ in 0..300 {
            growing.extend(&part).expect("it fits");
            refused |= budget.used() > 2 * growing.len() + LEAST_BYTES;
        }
        assert!(!refused, "{} bytes are charged", budget.used());
        assert_eq!(budget.used(), 300_000);
        let bytes = growing.finish();
        assert_eq!((bytes.len(), bytes[299_999]), (300_000, 7));
        drop(bytes);
        assert_eq!(budget.used(), 0);
    }
}
