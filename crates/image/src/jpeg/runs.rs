//! Several codes at one look, where nobody asks for their values.

use super::{
    bits::Bits,
    huffman::Huffman,
    scan::Damage,
    whole::{BLOCK, one_ac},
};

/// A look sees so many bits. Photographs have a code and its value in about five.
const LOOK_BITS: usize = 13;
/// Looks that can be had of full bits.
const LOOKS: usize = Bits::FULL as usize / LOOK_BITS;

/// For all next bits of sequential AC coefficients: what is certain about the codes and values that lie wholly within.
#[derive(Debug)]
pub(super) struct Runs([Look; 1 << LOOK_BITS]);

/// `reach << 5 | ends << 4 | bits`.
#[derive(Clone, Copy, Debug)]
struct Look(u16);

impl Look {
    /// Nothing is certain: it reaches beyond a block from anywhere.
    const NOTHING: Self = Self::new(127, false, 0);

    const fn new(reach: usize, ends: bool, bits: u32) -> Self {
        Self((reach as u16) << 5 | (ends as u16) << 4 | bits as u16)
    }

    /// Coefficients, and one more for the code that ends a block: that code must not come after the last one.
    #[inline(always)]
    fn reach(self) -> usize {
        usize::from(self.0 >> 5)
    }

    #[inline(always)]
    fn ends(self) -> bool {
        self.0 & 0x10 != 0
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.0 & 15)
    }
}

impl Runs {
    /// With values of at most `max_bits` bits, which are in range wherever they stand.
    pub(super) fn new(ac: &Huffman, max_bits: u8) -> Self {
        Self(std::array::from_fn(|next| look(ac, max_bits, next)))
    }

    /// The AC coefficients of a block, as [`one_ac`] reads them one by one. It is asked where a look isn't certain, so the
    /// refusals are its own.
    #[inline(always)]
    pub(super) fn read_block(
        &self,
        bits: &mut Bits<'_>,
        ac: &Huffman,
        max_bits: &[u8; 64],
    ) -> Result<(), Damage> {
        let mut next = 1;
        while next < BLOCK {
            bits.fill_up();
            for _ in 0..LOOKS {
                let look = self.0[bits.peek::<LOOK_BITS>()];
                let reach = next + look.reach();
                if reach > BLOCK {
                    bits.fill();
                    next = one_ac(bits, ac, max_bits, next)?;
                    break;
                }
                bits.skip(look.bits());
                if look.ends() || reach == BLOCK {
                    return Ok(());
                }
                next = reach;
            }
        }
        Ok(())
    }
}

fn look(ac: &Huffman, max_bits: u8, next: usize) -> Look {
    let next = (next << (16 - LOOK_BITS)) as u32;
    let (mut used, mut reach) = (0, 0);
    while let Ok((length, symbol)) = ac.code(next << used & 0xffff) {
        let (run, size) = (symbol >> 4, symbol & 15);
        let bits = used + length + u32::from(size);
        let ends = symbol == 0;
        let reached = reach + usize::from(run) + 1;
        let is_certain = bits <= LOOK_BITS as u32
            && reached < BLOCK
            && size <= max_bits
            && (size > 0 || run == 15 || ends);
        if !is_certain {
            break;
        }
        (used, reach) = (bits, reached);
        if ends {
            return Look::new(reach, true, used);
        }
    }
    match used {
        0 => Look::NOTHING,
        _ => Look::new(reach, false, used),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jpeg::huffman::STANDARD_AC;

    proptest! {
        /// Random bits are blocks of all kinds, damaged ones included: too many coefficients, values out of range, codes
        /// that don't exist, an early end.
        #[test]
        fn the_same_blocks_as_code_by_code(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            chroma in any::<bool>(),
            max_bits in prop_oneof![
                prop::array::uniform32(1_u8..=10).prop_map(|half| std::array::from_fn(|at| half[at / 2])),
                (1_u8..=10).prop_map(|all| [all; 64]),
            ],
        ) {
            let stuffed: Vec<u8> =
                bytes.iter().flat_map(|byte| [*byte, 0].into_iter().take(1 + usize::from(*byte == 0xff))).collect();
            let ac = Huffman::new(STANDARD_AC[usize::from(chroma)]).unwrap();
            let ac = &ac;
            let runs = Runs::new(ac, max_bits[1..].iter().copied().min().unwrap());
            let (mut one, mut other) = (Bits::new(&stuffed), Bits::new(&stuffed));
            while !one.ran_out() {
                let mut next = 1;
                let mut expected = Ok(());
                while next < BLOCK && expected.is_ok() {
                    one.fill();
                    match one_ac(&mut one, ac, &max_bits, next) {
                        Ok(after) => next = after,
                        Err(damage) => expected = Err(damage),
                    }
                }
                prop_assert_eq!(runs.read_block(&mut other, ac, &max_bits), expected);
                if expected.is_err() {
                    break;
                }
                prop_assert_eq!(other.ran_out(), one.ran_out());
                if !one.ran_out() {
                    prop_assert_eq!(other.bytes_read(), one.bytes_read());
                }
            }
        }
    }
}
