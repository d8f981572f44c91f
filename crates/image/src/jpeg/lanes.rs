//! A large scan without progression, checked as fast as its bits can be distinguished: nothing of it is kept.

use std::rc::Rc;

use super::{
    bits::{Bits, signed},
    huffman::Huffman,
    runs::Runs,
    scan::{Damage, Scan, TOO_SHORT},
    start_of_frame::StartOfFrame,
    whole::one_dc,
};

/// A look at a DC coefficient sees so many bits.
const LOOK_BITS: usize = 10;

/// The blocks of a unit, each in its channel's lane.
pub(super) struct Lanes<'a> {
    lanes: Vec<Lane<'a>>,
    /// By block, which lane.
    unit: Vec<usize>,
}

/// What one channel's blocks are read by.
struct Lane<'a> {
    dc: &'a Huffman,
    differences: Box<[i16; 1 << LOOK_BITS]>,
    last_dc: i32,
    max_dc: i32,
    ac: &'a Huffman,
    runs: Rc<Runs>,
    max_bits: [u8; 64],
}

impl<'a> Lanes<'a> {
    /// Tables and limits are by the channel's place in the frame; none where a table isn't there.
    pub(super) fn new(
        scan: &Scan,
        frame: &StartOfFrame,
        tables: &'a [(Option<Huffman>, Option<Huffman>)],
        max_bits: &[[u8; 64]],
        max_dc: &[i32],
    ) -> Option<Self> {
        let mut lanes: Vec<Lane<'a>> = Vec::with_capacity(scan.channels.len());
        let mut unit = Vec::new();
        let mut least_bits = Vec::new();
        for (number, channel) in scan.channels.iter().enumerate() {
            let (Some(dc), Some(ac)) = &tables[channel.index] else {
                return None;
            };
            let max_bits = max_bits[channel.index];
            let least = max_bits[1..].iter().copied().min()?;
            // Channels of chroma usually have the same table and limits.
            let known = lanes.iter().zip(&least_bits);
            let known = known.filter(|(lane, known)| lane.ac == ac && **known == least);
            let known = known.map(|(lane, _)| lane.runs.clone()).next();
            lanes.push(Lane {
                dc,
                differences: differences(dc),
                last_dc: 0,
                max_dc: max_dc[channel.index],
                ac,
                runs: known.unwrap_or_else(|| Rc::new(Runs::new(ac, least))),
                max_bits,
            });
            least_bits.push(least);
            let stated = &frame.channels[channel.index];
            let blocks = match scan.channels.len() {
                1 => 1,
                _ => stated.h * stated.v,
            };
            unit.extend((0..blocks).map(|_| number));
        }
        Some(Self { lanes, unit })
    }

    /// Predictions start anew.
    pub(super) fn restart(&mut self) {
        for lane in &mut self.lanes {
            lane.last_dc = 0;
        }
    }

    /// Reads so many units.
    pub(super) fn units(&mut self, bits: &mut Bits<'_>, count: u64) -> Result<(), Damage> {
        let mut own = *bits;
        for _ in 0..count {
            for number in &self.unit {
                let lane = &mut self.lanes[*number];
                own.fill_up();
                lane.dc(&mut own)?;
                lane.runs.read_block(&mut own, lane.ac, &lane.max_bits)?;
            }
            if own.ran_out() {
                return Err(TOO_SHORT);
            }
        }
        *bits = own;
        Ok(())
    }
}

impl Lane<'_> {
    #[inline(always)]
    fn dc(&mut self, bits: &mut Bits<'_>) -> Result<(), Damage> {
        let look = self.differences[bits.peek::<LOOK_BITS>()];
        let last = self.last_dc + i32::from(look >> 4);
        if look != 0 && last.abs() <= self.max_dc {
            bits.skip(u32::from(look as u16 & 15));
            self.last_dc = last;
            return Ok(());
        }
        one_dc(bits, self.dc, &mut self.last_dc, self.max_dc)
    }
}

/// For all next bits: `difference << 4 | bits`, where code and value lie wholly within; else 0.
fn differences(dc: &Huffman) -> Box<[i16; 1 << LOOK_BITS]> {
    let look = |next: usize| {
        let next = (next << (16 - LOOK_BITS)) as u32;
        let (length, size) = dc.code(next).ok()?;
        let bits = length + u32::from(size);
        if bits > LOOK_BITS as u32 {
            return None;
        }
        let value = (next << length & 0xffff) >> (16 - size);
        Some((signed(value, size.into()) << 4) as i16 | bits as i16)
    };
    Box::new(std::array::from_fn(|next| look(next).unwrap_or(0)))
}
