//! Coefficients from coded data (T.81, F.2 and G.1).

use super::super::{
    bits::Bits,
    frame::CodedScan,
    huffman::Huffman,
    scan::{Blocks, Damage, Scan},
    segments::RST0,
    start_of_frame::StartOfFrame,
    whole::{BEYOND, TOO_GREAT},
};

/// Of each channel the blocks, row by row, padded ones included; a block's coefficients in zigzag order.
pub(super) struct Coefficients {
    pub(super) channels: Vec<Vec<[i16; 64]>>,
}

impl Coefficients {
    pub(super) fn new(header: &StartOfFrame) -> Self {
        let blocks = |channel| {
            let (across, down) = header.padded_blocks(channel);
            vec![[0; 64]; across as usize * down as usize]
        };
        Self {
            channels: header.channels.iter().map(blocks).collect(),
        }
    }

    /// Adds what a scan sends.
    pub(super) fn read(
        &mut self,
        header: &StartOfFrame,
        coded: &CodedScan<'_>,
        scan: &Scan,
        tables: &[(Option<Huffman>, Option<Huffman>)],
    ) -> Result<(), Damage> {
        let mut reader = Reader {
            progressive: header.progressive,
            scan,
            tables,
            channels: &mut self.channels,
            dc: [0; 4],
            blocks_without_more: 0,
        };
        let mut restarts = (0..8).map(|number| RST0 + number).cycle();
        let mut stretches = coded.stretches.iter();
        let stretch = || {
            let next = stretches.next().copied().unwrap_or_default();
            let more = stretches.len() > 0;
            (next, restarts.next().filter(|_| more))
        };
        scan.walk(header, coded.restart_interval, stretch, &mut reader)?;
        Ok(())
    }
}

struct Reader<'a> {
    progressive: bool,
    scan: &'a Scan,
    tables: &'a [(Option<Huffman>, Option<Huffman>)],
    channels: &'a mut [Vec<[i16; 64]>],
    dc: [i16; 4],
    blocks_without_more: u32,
}

impl Blocks for Reader<'_> {
    fn restart(&mut self) {
        self.dc = [0; 4];
        self.blocks_without_more = 0;
    }

    fn block(&mut self, bits: &mut Bits<'_>, channel: usize, at: usize) -> Result<(), Damage> {
        let block = &mut self.channels[channel][at];
        let (dc, ac) = &self.tables[channel];
        let low = self.scan.low;
        if let Some(dc) = dc {
            bits.fill();
            let size = dc.symbol(bits)?;
            let difference = bits.take_signed(size.into()) as i16;
            self.dc[channel] = self.dc[channel].wrapping_add(difference);
            block[0] = self.dc[channel] << low;
        } else if ac.is_none() {
            bits.fill();
            block[0] |= (bits.take(1) as i16) << low;
        }
        match ac {
            Some(ac) if self.scan.high == 0 => self.first_ac(bits, ac, channel, at),
            Some(ac) => self.later_ac(bits, ac, channel, at),
            None => Ok(()),
        }
    }
}

impl Reader<'_> {
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
        let block = &mut self.channels[channel][at];
        let mut next = usize::from(self.scan.first.max(1));
        while next <= usize::from(self.scan.last) {
            bits.fill();
            let symbol = ac.symbol(bits)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                // Without progression the only such code is 0: this block has no more.
                if self.progressive {
                    self.blocks_without_more = (1 << run) - 1 + bits.take(run.into());
                }
                break;
            }
            next += usize::from(run);
            let value = (bits.take_signed(size.into()) as i16) << self.scan.low;
            *block.get_mut(next).ok_or(BEYOND)? = value;
            next += 1;
        }
        Ok(())
    }

    fn later_ac(
        &mut self,
        bits: &mut Bits<'_>,
        ac: &Huffman,
        channel: usize,
        at: usize,
    ) -> Result<(), Damage> {
        let block = &mut self.channels[channel][at];
        let unit = 1_i16 << self.scan.low;
        let (mut next, last) = (usize::from(self.scan.first), usize::from(self.scan.last));
        let mut new = None;
        while next <= last && self.blocks_without_more == 0 {
            bits.fill();
            let symbol = ac.symbol(bits)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                self.blocks_without_more = (1 << run) + bits.take(run.into());
                break;
            }
            if size > 0 {
                new = Some(if bits.take(1) == 1 { unit } else { -unit });
            }
            loop {
                match block.get_mut(next).ok_or(BEYOND)? {
                    0 if run == 0 => break,
                    0 => run -= 1,
                    value => refine(value, unit, bits),
                }
                next += 1;
            }
            block[next] = new.take().unwrap_or(0);
            next += 1;
        }
        if self.blocks_without_more > 0 {
            self.blocks_without_more -= 1;
            let rest = block.get_mut(next..=last).into_iter().flatten();
            for value in rest.filter(|value| **value != 0) {
                refine(value, unit, bits);
            }
        }
        // What was sent so far must not have overflowed.
        block
            .iter()
            .all(|value| *value != i16::MIN)
            .then_some(())
            .ok_or(TOO_GREAT)
    }
}

/// One more bit of a value that isn't zero.
fn refine(value: &mut i16, unit: i16, bits: &mut Bits<'_>) {
    bits.fill();
    if bits.take(1) == 1 {
        *value = value.saturating_add(unit * value.signum());
    }
}
