//! One scan: its header, and the walk over its blocks in the order in which they are coded.

use super::{
    bits::Bits,
    segments::{RST0, corrupt},
    start_of_frame::StartOfFrame,
};
use crate::ImageError;

/// What is wrong with coded data.
pub(super) type Damage = &'static str;

pub(super) const TOO_SHORT: Damage = "its coded data ends too early";

/// What one scan sends: of which channels, which coefficients, which of their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) channels: Vec<ScanChannel>,
    /// The first and the last coefficient, in zigzag order.
    pub(super) first: u8,
    pub(super) last: u8,
    /// The lowest bit that earlier scans have sent; 0 if they have sent none.
    pub(super) high: u8,
    /// The lowest bit that this scan sends.
    pub(super) low: u8,
}

/// A channel in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanChannel {
    /// Its place in the frame header.
    pub(super) index: usize,
    /// Numbers of its Huffman tables.
    pub(super) dc: u8,
    pub(super) ac: u8,
}

impl Scan {
    /// Reads an SOS. What sequential coding doesn't use is replaced by what it must be: some Samsung cameras write
    /// zeros there.
    pub(super) fn read(content: &[u8], frame: &StartOfFrame) -> Result<Self, ImageError> {
        let broken = || corrupt("a scan header makes no sense");
        let (&count, rest) = content.split_first().ok_or_else(broken)?;
        let (named, rest) = rest
            .split_at_checked(2 * usize::from(count))
            .ok_or_else(broken)?;
        let &[first, last, approximation, ..] = rest else {
            return Err(broken());
        };
        let mut channels: Vec<ScanChannel> = Vec::new();
        for &[name, tables] in named.as_chunks().0 {
            // As libjpeg does where two channels have the same name: each is meant once.
            let index = (0..frame.channels.len())
                .find(|index| {
                    frame.channels[*index].name == name
                        && channels.iter().all(|other| other.index != *index)
                })
                .ok_or_else(broken)?;
            channels.push(ScanChannel {
                index,
                dc: tables >> 4,
                ac: tables & 15,
            });
        }
        let blocks_a_unit = |channel: &ScanChannel| {
            frame.channels[channel.index].h * frame.channels[channel.index].v
        };
        let is_interleaved = channels.len() > 1;
        if channels.is_empty()
            || is_interleaved && channels.iter().map(blocks_a_unit).sum::<u32>() > 10
        {
            return Err(broken());
        }
        if !frame.progressive {
            return Ok(Self {
                channels,
                first: 0,
                last: 63,
                high: 0,
                low: 0,
            });
        }
        let (high, low) = (approximation >> 4, approximation & 15);
        let band_is_right = match first {
            0 => last == 0,
            _ => first <= last && last <= 63 && !is_interleaved,
        };
        if !band_is_right || low > 13 || high != 0 && low != high - 1 {
            return Err(broken());
        }
        Ok(Self {
            channels,
            first,
            last,
            high,
            low,
        })
    }

    /// Walks over every block, and returns the coded data between restarts without what doesn't belong to it.
    ///
    /// `stretch` gives the coded data up to the next marker, and the marker if it is a restart.
    ///
    /// This is where a scan is known to be whole: each unit's blocks were read from bits that are there, and every
    /// restart marker stands where it must. Bytes that are left over where the scan ends are no damage, many cameras
    /// leave some; left over before a restart they are.
    pub(super) fn walk<'a>(
        &self,
        frame: &StartOfFrame,
        restart_interval: u16,
        mut stretch: impl FnMut() -> (&'a [u8], Option<u8>),
        blocks: &mut impl Blocks,
    ) -> Result<Vec<&'a [u8]>, Damage> {
        let units = Units::new(self, frame);
        let total = u64::from(units.across) * u64::from(units.down);
        let interval = match restart_interval {
            0 => total,
            interval => interval.into(),
        };
        let mut stretches = Vec::new();
        let mut done = 0;
        loop {
            let (bytes, restart) = stretch();
            let mut bits = Bits::new(bytes);
            blocks.restart();
            let until = total.min(done + interval);
            if let Some(read) = blocks.units(&mut bits, until - done) {
                read?;
                done = until;
            }
            while done < until {
                let (row, column) = (
                    done / u64::from(units.across),
                    done % u64::from(units.across),
                );
                for channel in &units.channels {
                    channel.visit(row as u32, column as u32, |at| {
                        blocks.block(&mut bits, channel.index, at)
                    })?;
                }
                if bits.ran_out() {
                    return Err(TOO_SHORT);
                }
                done += 1;
            }
            let (read, left) = bytes.split_at(bits.bytes_read());
            stretches.push(read);
            if done == total {
                // Further stretches belong to nothing.
                let mut further = restart;
                while further.is_some() {
                    further = stretch().1;
                }
                return Ok(stretches);
            }
            let expected = RST0 + ((stretches.len() - 1) % 8) as u8;
            let is_padding = left.iter().all(|byte| *byte == 0 || *byte == 0xff);
            match restart {
                Some(marker) if marker == expected && is_padding => {}
                Some(_) => return Err("a restart marker is missing or out of place"),
                None => return Err(TOO_SHORT),
            }
        }
    }
}

/// What reads a scan's blocks.
pub(super) trait Blocks {
    /// A scan or an interval begins: predictions start anew.
    fn restart(&mut self);

    /// Reads so many units, where it matters nowhere which they are, and tells bits that ran out itself; none where it does.
    fn units(&mut self, _bits: &mut Bits<'_>, _count: u64) -> Option<Result<(), Damage>> {
        None
    }

    /// Reads one block; `at` counts the channel's blocks from the top left, row by row, [padded] ones included.
    ///
    /// [padded]: StartOfFrame::padded_blocks
    fn block(&mut self, bits: &mut Bits<'_>, channel: usize, at: usize) -> Result<(), Damage>;
}

/// The order of a scan's blocks: unit by unit, and a unit channel by channel (T.81, A.2).
struct Units {
    across: u32,
    down: u32,
    channels: Vec<UnitChannel>,
}

struct UnitChannel {
    index: usize,
    /// Blocks of it in a unit.
    h: u32,
    v: u32,
    /// Blocks in one of its rows.
    stride: u32,
}

impl Units {
    fn new(scan: &Scan, frame: &StartOfFrame) -> Self {
        let of = |channel: &ScanChannel| {
            let stated = &frame.channels[channel.index];
            UnitChannel {
                index: channel.index,
                h: stated.h,
                v: stated.v,
                stride: frame.padded_blocks(stated).0,
            }
        };
        let mut channels: Vec<_> = scan.channels.iter().map(of).collect();
        let (across, down) = match &mut channels[..] {
            // Alone, a channel is sent without padding, one block a unit.
            [only] => {
                (only.h, only.v) = (1, 1);
                frame.blocks(&frame.channels[only.index])
            }
            _ => frame.units(),
        };
        Self {
            across,
            down,
            channels,
        }
    }
}

impl UnitChannel {
    #[inline]
    fn visit(
        &self,
        row: u32,
        column: u32,
        mut block: impl FnMut(usize) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        for y in 0..self.v {
            let start = (row * self.v + y) as usize * self.stride as usize;
            for x in 0..self.h {
                block(start + (column * self.h + x) as usize)?;
            }
        }
        Ok(())
    }
}
