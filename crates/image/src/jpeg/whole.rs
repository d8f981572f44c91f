//! Whether every coefficient of a JPEG was sent, found by reading its codes without making pixels.
//!
//! Back ends go on with gray where codes end or make no sense, each in its own way. Here both are spared such data: a
//! code that doesn't exist, a coefficient beyond the last one, a value that 8-bit samples can't have. What remains
//! undetected is damage that turns codes into other valid ones of the same number of blocks.

use super::{
    bits::Bits,
    huffman::Huffman,
    lanes::Lanes,
    scan::{Blocks, Damage, Scan},
    start_of_frame::StartOfFrame,
    tables::Steps,
};

/// Greatest size in bits of a difference of DC coefficients, and of an AC coefficient (T.81, tables F.1 and F.2).
const MAX_DC_BITS: u8 = 11;
const MAX_AC_BITS: u8 = 10;
/// From so many blocks on it pays to make [`Lanes`], which takes as long as reading some hundred blocks.
const MANY_BLOCKS: usize = 4096;
/// Greatest coefficient of samples of 8 bits, before quantisation.
const MAX_COEFFICIENT: u32 = 1024;

/// Coefficients in a block.
pub(super) const BLOCK: usize = 64;

pub(super) const BEYOND: Damage = "its coded data has more coefficients than a block";
pub(super) const TOO_GREAT: Damage = "its coded data has values that are out of range";
const NO_CODE: Damage = "its coded data has a code that doesn't exist";
const CONTRADICTORY: Damage = "its scans contradict each other";

/// What the scans so far have sent.
pub(super) struct Sent {
    channels: Vec<SentChannel>,
    progressive: bool,
}

struct SentChannel {
    /// The lowest bit sent of each coefficient.
    lowest: [Option<u8>; 64],
    /// For each block which coefficients aren't zero, with progression alone: later scans have a bit for each of them.
    nonzero: Vec<u64>,
    blocks: usize,
}

impl Sent {
    pub(super) fn new(frame: &StartOfFrame) -> Self {
        let channel = |channel| {
            let (across, down) = frame.padded_blocks(channel);
            SentChannel {
                lowest: [None; 64],
                nonzero: Vec::new(),
                blocks: across as usize * down as usize,
            }
        };
        Self {
            channels: frame.channels.iter().map(channel).collect(),
            progressive: frame.progressive,
        }
    }

    /// Notes a scan. It must continue the earlier ones: DC before AC, bit after bit, nothing twice.
    pub(super) fn note(&mut self, scan: &Scan) -> Result<(), Damage> {
        for channel in &scan.channels {
            let sent = &mut self.channels[channel.index];
            if scan.first > 0 {
                sent.lowest[0].ok_or(CONTRADICTORY)?;
                sent.nonzero.resize(sent.blocks, 0);
            }
            for lowest in &mut sent.lowest[usize::from(scan.first)..=usize::from(scan.last)] {
                let continues = match *lowest {
                    None => scan.high == 0,
                    Some(lowest) => scan.high > 0 && scan.high == lowest,
                };
                if !continues {
                    return Err(CONTRADICTORY);
                }
                *lowest = Some(scan.low);
            }
        }
        Ok(())
    }

    /// Whether every bit of every coefficient was sent.
    pub(super) fn is_whole(&self) -> bool {
        self.channels
            .iter()
            .flat_map(|channel| channel.lowest)
            .all(|lowest| lowest == Some(0))
    }

    /// What reads the blocks of a scan that was noted. Tables and steps are by the channel's place in the frame.
    pub(super) fn reader<'a>(
        &'a mut self,
        scan: &'a Scan,
        frame: &StartOfFrame,
        tables: &'a [(Option<Huffman>, Option<Huffman>)],
        steps: &[Option<Steps>],
    ) -> Reader<'a> {
        let limits = |steps: &Option<Steps>| {
            steps.map_or([0; 64], |steps| steps.map(|step| max_bits(step, scan.low)))
        };
        let max_dc = |steps: &Option<Steps>| {
            let step = steps.map_or(1, |steps| i32::from(steps[0]));
            (3 * (MAX_COEFFICIENT as i32 + step) / 2 / step) >> scan.low
        };
        let max_bits: Vec<_> = steps.iter().map(limits).collect();
        let max_dc: Vec<_> = steps.iter().map(max_dc).collect();
        let blocks = scan.channels.iter().map(|c| self.channels[c.index].blocks);
        let lanes = (!self.progressive && blocks.sum::<usize>() >= MANY_BLOCKS)
            .then(|| Lanes::new(scan, frame, tables, &max_bits, &max_dc))
            .flatten();
        Reader {
            progressive: self.progressive,
            scan,
            tables,
            lanes,
            max_dc,
            max_bits,
            sent: &mut self.channels,
            dc: [0; 4],
            blocks_without_more: 0,
        }
    }
}

/// The size in bits of the greatest value that may stand for an AC coefficient: with its step, and the bits below it that
/// later scans send, half of it must not exceed what samples can give, rounding included. Only damage does, and back ends
/// overflow on it in their own ways.
fn max_bits(step: u16, low: u8) -> u8 {
    let step = u32::from(step) << low;
    let greatest = (2 * MAX_COEFFICIENT + 3 * step) / (2 * step);
    (u32::BITS - greatest.leading_zeros()).min(MAX_AC_BITS.into()) as u8
}

/// Reads the blocks of a scan, and keeps of them which coefficients aren't zero.
pub(super) struct Reader<'a> {
    progressive: bool,
    scan: &'a Scan,
    /// By the channel's place in the frame, DC and AC.
    tables: &'a [(Option<Huffman>, Option<Huffman>)],
    /// By channel, of the values that this scan sends.
    max_dc: Vec<i32>,
    max_bits: Vec<[u8; 64]>,
    /// For a large scan without progression.
    lanes: Option<Lanes<'a>>,
    sent: &'a mut [SentChannel],
    /// The last DC coefficient of each channel.
    dc: [i32; 4],
    /// How many further blocks have nothing in this scan's band ("end of band", T.81, G.1.2.2).
    blocks_without_more: u32,
}

impl Blocks for Reader<'_> {
    fn restart(&mut self) {
        self.dc = [0; 4];
        self.blocks_without_more = 0;
        if let Some(lanes) = &mut self.lanes {
            lanes.restart();
        }
    }

    fn units(&mut self, bits: &mut Bits<'_>, count: u64) -> Option<Result<(), Damage>> {
        Some(self.lanes.as_mut()?.units(bits, count))
    }

    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>, channel: usize, at: usize) -> Result<(), Damage> {
        let (dc, ac) = match &self.tables[channel] {
            (Some(dc), Some(ac)) => {
                self.dc(bits, dc, channel)?;
                return sequential_ac(bits, ac, &self.max_bits[channel]);
            }
            (dc, ac) => (dc, ac),
        };
        debug_assert!(self.progressive);
        match (dc, ac) {
            (Some(dc), _) => self.dc(bits, dc, channel),
            (_, Some(ac)) if self.scan.high == 0 => self.first_ac(bits, ac, channel, at),
            (_, Some(ac)) => self.later_ac(bits, ac, channel, at),
            // One more bit of a DC coefficient.
            (None, None) => {
                bits.fill();
                bits.skip(1);
                Ok(())
            }
        }
    }
}

/// The AC coefficients of a block without progression.
#[inline(always)]
fn sequential_ac(bits: &mut Bits<'_>, ac: &Huffman, max_bits: &[u8; 64]) -> Result<(), Damage> {
    let mut next = 1;
    while next < BLOCK {
        bits.fill();
        next = one_ac(bits, ac, max_bits, next)?;
    }
    Ok(())
}

/// A block's DC coefficient, of which the difference from the last one is sent.
#[inline(always)]
pub(super) fn one_dc(
    bits: &mut Bits<'_>,
    dc: &Huffman,
    last: &mut i32,
    greatest: i32,
) -> Result<(), Damage> {
    bits.fill();
    let size = dc.symbol(bits)?;
    if size > MAX_DC_BITS {
        return Err(TOO_GREAT);
    }
    *last += bits.take_signed(size.into());
    if last.abs() > greatest {
        return Err(TOO_GREAT);
    }
    Ok(())
}

/// One code and its value, of bits that [`Bits::fill`] made available; what comes after it, [`BLOCK`] where that is another block.
#[inline(always)]
pub(super) fn one_ac(
    bits: &mut Bits<'_>,
    ac: &Huffman,
    max_bits: &[u8; 64],
    next: usize,
) -> Result<usize, Damage> {
    let symbol = ac.symbol(bits)?;
    let (run, size) = (symbol >> 4, symbol & 15);
    if size == 0 && run != 15 {
        // Without progression no other code ends a block.
        return if run == 0 { Ok(BLOCK) } else { Err(NO_CODE) };
    }
    let at = next + usize::from(run);
    if size > *max_bits.get(at).ok_or(BEYOND)? {
        return Err(TOO_GREAT);
    }
    bits.skip(size.into());
    Ok(at + 1)
}

impl Reader<'_> {
    fn dc(&mut self, bits: &mut Bits<'_>, dc: &Huffman, channel: usize) -> Result<(), Damage> {
        one_dc(bits, dc, &mut self.dc[channel], self.max_dc[channel])
    }

    /// The upper bits of a band.
    fn first_ac(
        &mut self,
        bits: &mut Bits<'_>,
        ac: &Huffman,
        channel: usize,
        at: usize,
    ) -> Result<(), Damage> {
        if self.blocks_without_more > 0 {
            self.blocks_without_more -= 1;
            return Ok(());
        }
        let (mut next, last) = (self.scan.first, self.scan.last);
        let mut nonzero = 0;
        while next <= last {
            bits.fill();
            let symbol = ac.symbol(bits)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                self.blocks_without_more = (1 << run) - 1 + bits.take(run.into());
                break;
            }
            next += run;
            if next > last {
                return Err(BEYOND);
            }
            if size > self.max_bits[channel][usize::from(next)] {
                return Err(TOO_GREAT);
            }
            bits.skip(size.into());
            nonzero |= u64::from(size > 0) << next;
            next += 1;
        }
        self.sent[channel].nonzero[at] |= nonzero;
        Ok(())
    }

    /// One more bit of a band: for each coefficient that isn't zero yet, and those that become so.
    fn later_ac(
        &mut self,
        bits: &mut Bits<'_>,
        ac: &Huffman,
        channel: usize,
        at: usize,
    ) -> Result<(), Damage> {
        let (mut next, last) = (self.scan.first, self.scan.last);
        let nonzero = &mut self.sent[channel].nonzero[at];
        let before = *nonzero;
        if self.blocks_without_more == 0 {
            while next <= last {
                bits.fill();
                let symbol = ac.symbol(bits)?;
                let (mut run, size) = (symbol >> 4, symbol & 15);
                if size == 0 && run < 15 {
                    self.blocks_without_more = (1 << run) + bits.take(run.into());
                    break;
                }
                if size > 1 {
                    return Err(NO_CODE);
                }
                bits.skip(size.into());
                // Past `run` coefficients that stay zero, to the one that becomes 1 or -1.
                loop {
                    if next > last {
                        return Err(BEYOND);
                    }
                    if before >> next & 1 == 1 {
                        bits.fill();
                        bits.skip(1);
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    next += 1;
                }
                if size > self.max_bits[channel][usize::from(next)] {
                    return Err(TOO_GREAT);
                }
                *nonzero |= u64::from(size) << next;
                next += 1;
            }
        }
        if self.blocks_without_more > 0 {
            self.blocks_without_more -= 1;
            if next <= last {
                let band = before >> next << next & (u64::MAX >> (63 - last));
                for _ in 0..band.count_ones() {
                    bits.fill();
                    bits.skip(1);
                }
            }
        }
        Ok(())
    }
}
