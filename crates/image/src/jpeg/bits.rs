//! The bits of coded data between two markers.

/// Reads bits from the most significant on; a stuffed zero after 0xff is no part of them.
///
/// Loops over many symbols work on a copy: nothing here takes the address of one, so it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Unread bits, the next one on top. Below `count` bits there may be a part of the byte at `at`.
    window: u64,
    /// Bits in the window, those beyond the end of the data included.
    count: u32,
    /// Zeros that were appended where the data ended.
    beyond: u32,
}

impl<'a> Bits<'a> {
    /// `bytes` contain no marker.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            window: 0,
            count: 0,
            beyond: 0,
        }
    }

    /// Makes at least 32 bits available: two symbols of 16 bits, or a symbol and its value.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count < 32 {
            self.fill_up();
        }
    }

    /// Makes at least [`Self::FULL`] bits available.
    #[inline(always)]
    pub(super) fn fill_up(&mut self) {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(chunk) if !has_ff(u64::from_ne_bytes(*chunk)) => {
                self.window |= u64::from_be_bytes(*chunk) >> self.count;
                self.at += ((63 - self.count) / 8) as usize;
                self.count |= Self::FULL;
            }
            _ => *self = self.filled_slowly(),
        }
    }

    pub(super) const FULL: u32 = 56;

    /// One byte at a time, past stuffed zeros and the end.
    #[cold]
    #[inline(never)]
    fn filled_slowly(mut self) -> Self {
        while self.count < Self::FULL {
            let byte = match self.bytes.get(self.at) {
                Some(0xff) => {
                    self.at += 2;
                    0xff
                }
                Some(byte) => {
                    self.at += 1;
                    *byte
                }
                None => {
                    self.beyond += 8;
                    0
                }
            };
            self.window |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// The next `COUNT` bits, which stay.
    #[inline(always)]
    pub(super) fn peek<const COUNT: usize>(&self) -> usize {
        (self.window >> (64 - COUNT)) as usize
    }

    /// The next 16 bits, which stay.
    #[inline(always)]
    pub(super) fn peek_16(&self) -> u32 {
        (self.window >> 48) as u32
    }

    /// Drops `count` of the bits that [`Self::fill`] made available.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        debug_assert!(count <= self.count);
        self.window <<= count;
        self.count -= count;
    }

    /// A number of at most 16 bits that [`Self::fill`] made available.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = self.peek_16() >> (16 - count);
        self.skip(count);
        value
    }

    /// A [signed] value of `size` bits.
    #[inline(always)]
    pub(super) fn take_signed(&mut self, size: u32) -> i32 {
        signed(self.take(size), size)
    }

    /// Whether more bits were read than there are.
    #[inline]
    pub(super) fn ran_out(&self) -> bool {
        self.count < self.beyond
    }

    /// How many bytes hold the bits that were read.
    pub(super) fn bytes_read(&self) -> usize {
        let mut at = self.at.min(self.bytes.len());
        for _ in 0..self.count.saturating_sub(self.beyond) / 8 {
            at -= match self.bytes[..at] {
                [.., 0xff, 0x00] => 2,
                _ => 1,
            };
        }
        at
    }
}

/// Of `size` bits a number with its sign (T.81, F.2.2.1): a first bit of 0 means a negative one.
#[inline(always)]
pub(super) fn signed(bits: u32, size: u32) -> i32 {
    let value = bits as i32;
    let is_negative = size > 0 && value >> (size - 1) == 0;
    if is_negative {
        value - (1 << size) + 1
    } else {
        value
    }
}

/// Whether one of eight bytes is 0xff.
#[inline]
fn has_ff(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    (!word).wrapping_sub(LOW) & word & (LOW << 7) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Bit by bit, as the standard describes it.
        #[test]
        fn the_same_bits_as_one_at_a_time(
            values in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0)], 0..60),
            sizes in prop::collection::vec(0..=16_u32, 0..80),
        ) {
            let stuffed: Vec<u8> =
                values.iter().flat_map(|byte| [*byte, 0].into_iter().take(1 + usize::from(*byte == 0xff))).collect();
            let mut bits = Bits::new(&stuffed);
            let mut read = 0;
            for size in sizes {
                bits.fill();
                let expected = (read..read + size as usize).fold(0, |value, at| {
                    let byte = values.get(at / 8).copied().unwrap_or(0);
                    value << 1 | u32::from(byte >> (7 - at % 8) & 1)
                });
                prop_assert_eq!(bits.take(size), expected);
                read += size as usize;
                prop_assert_eq!(bits.ran_out(), read > 8 * values.len());
                if !bits.ran_out() {
                    let whole = read.div_ceil(8);
                    let stuffing = values[..whole].iter().filter(|byte| **byte == 0xff).count();
                    prop_assert_eq!(bits.bytes_read(), whole + stuffing);
                }
            }
        }
    }

    #[test]
    fn values_are_signed_by_their_first_bit() {
        let mut bits = Bits::new(&[0b0111_0010]);
        bits.fill();
        assert_eq!(
            [1, 1, 3, 3, 0].map(|size| bits.take_signed(size)),
            [-1, 1, 6, -5, 0]
        );
        assert!(!bits.ran_out());
    }
}
