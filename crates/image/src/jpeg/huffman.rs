//! Huffman tables: as a file states them, and as symbols are looked up.

use super::{bits::Bits, scan::Damage};

/// A table as DHT states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code<'a> {
    /// How many codes have 1, 2, … 16 bits.
    pub(super) counts: &'a [u8; 16],
    /// Their symbols, shortest code first.
    pub(super) symbols: &'a [u8],
}

/// The tables that T.81 gives as examples (K.3), first for luma, then for chroma. Webcams and AVI files use them without
/// stating them.
pub(super) const STANDARD_DC: [Code; 2] = [
    Code {
        counts: &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
    Code {
        counts: &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
];

/// As [`STANDARD_DC`].
#[rustfmt::skip]
pub(super) const STANDARD_AC: [Code; 2] = [
    Code {
        counts: &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
        symbols: &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
            0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
            0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
            0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
            0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
            0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
            0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
            0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
            0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
            0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
            0xf9, 0xfa,
        ],
    },
    Code {
        counts: &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        symbols: &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
            0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
            0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
            0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
            0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
            0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
            0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
            0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
            0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
            0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
            0xf9, 0xfa,
        ],
    },
];

/// Codes of at most this many bits are found by one look.
const LOOK_BITS: usize = 9;

/// A table as it is used.
#[derive(PartialEq)]
pub(super) struct Huffman {
    /// By the next [`LOOK_BITS`] bits: `length << 8 | symbol`, or 0 for longer codes.
    short: [u16; 1 << LOOK_BITS],
    /// For each length the first value of 16 bits that begins no code of it or of a shorter one.
    ends: [u32; 17],
    /// For each length what leads from a code to its symbol's index.
    offsets: [u32; 17],
    symbols: [u8; 256],
}

impl Huffman {
    /// By libjpeg's rules: no code may consist of ones alone.
    pub(super) fn new(code: Code<'_>) -> Result<Self, Damage> {
        const BAD: Damage = "its Huffman tables make no sense";
        let mut table = Self {
            short: [0; 1 << LOOK_BITS],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        };
        table
            .symbols
            .get_mut(..code.symbols.len())
            .ok_or(BAD)?
            .copy_from_slice(code.symbols);
        let (mut next, mut index) = (0_u32, 0_u32);
        for (length, count) in (1..).zip(code.counts.iter().map(|count| u32::from(*count))) {
            if count > 0 && next + count >= 1 << length {
                return Err(BAD);
            }
            table.offsets[length] = index.wrapping_sub(next);
            if length <= LOOK_BITS {
                let width = 1 << (LOOK_BITS - length);
                let mut from = next as usize * width;
                for symbol in &code.symbols[index as usize..(index + count) as usize] {
                    table.short[from..from + width].fill((length as u16) << 8 | u16::from(*symbol));
                    from += width;
                }
            }
            next += count;
            index += count;
            table.ends[length] = next << (16 - length);
            next <<= 1;
        }
        Ok(table)
    }

    /// The next symbol, of bits that [`Bits::fill`] made available.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Damage> {
        let (length, symbol) = self.code(bits.peek_16())?;
        bits.skip(length);
        Ok(symbol)
    }

    /// The length and the symbol of the code that 16 bits begin with.
    #[inline(always)]
    pub(super) fn code(&self, next: u32) -> Result<(u32, u8), Damage> {
        match self.short[(next >> (16 - LOOK_BITS)) as usize] {
            0 => self.long(next),
            short => Ok((u32::from(short >> 8), short as u8)),
        }
    }

    #[inline(never)]
    fn long(&self, next: u32) -> Result<(u32, u8), Damage> {
        let length = (LOOK_BITS + 1..=16)
            .find(|length| next < self.ends[*length])
            .ok_or("its coded data has a code that doesn't exist")?;
        let index = (next >> (16 - length)).wrapping_add(self.offsets[length]);
        Ok((length as u32, self.symbols[index as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_standard_tables_is_found() {
        for code in STANDARD_DC.into_iter().chain(STANDARD_AC) {
            let table = Huffman::new(code).unwrap();
            let (mut next, mut symbols) = (0_u32, code.symbols.iter());
            for (length, count) in (1..).zip(code.counts) {
                for _ in 0..*count {
                    // Followed by ones, which are stuffed where they fill a byte.
                    let padded = (next << (16 - length) | ((1 << (16 - length)) - 1)) as u16;
                    let stuffed: Vec<u8> = padded
                        .to_be_bytes()
                        .into_iter()
                        .flat_map(|byte| [byte, 0].into_iter().take(1 + usize::from(byte == 0xff)))
                        .collect();
                    let mut bits = Bits::new(&stuffed);
                    bits.fill();
                    assert_eq!(table.symbol(&mut bits).ok().as_ref(), symbols.next());
                    next += 1;
                }
                next <<= 1;
            }
            assert_eq!(symbols.next(), None);
        }
    }

    #[test]
    fn a_table_with_more_codes_than_bits_allow_is_refused() {
        let mut counts = [0; 16];
        counts[0] = 2;
        let full = Code {
            counts: &counts,
            symbols: &[0, 1],
        };
        assert!(Huffman::new(full).is_err());
    }
}
