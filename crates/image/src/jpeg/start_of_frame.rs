//! The frame header of a JPEG: size, sampling, and what isn't decoded here.

use super::segments::{Segments, corrupt};
use crate::ImageError;

/// Width and height from the frame header.
pub(crate) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let mut segments = Segments::new(bytes);
    loop {
        let (marker, content) = segments.next_before_scan()?;
        if let Some(sof) = StartOfFrame::read(marker, content)? {
            return Ok((sof.width, sof.height));
        }
    }
}

/// A channel as the frame header states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    /// By which scans name it.
    pub(super) name: u8,
    /// Blocks side by side, and one above the other, in a unit of interleaved channels.
    pub(super) h: u32,
    pub(super) v: u32,
    /// Number of its quantisation table.
    pub(super) quantization: u8,
}

/// A frame header that can be decoded here.
#[derive(Debug)]
pub(super) struct StartOfFrame {
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    pub(super) progressive: bool,
    pub(super) channels: Vec<Channel>,
}

impl StartOfFrame {
    /// `None` where the marker is not that of a frame header.
    pub(super) fn read(marker: u8, content: &[u8]) -> Result<Option<Self>, ImageError> {
        let progressive = match marker {
            0xc0 | 0xc1 => false,
            0xc2 => true,
            0xc3 => return Err(unsupported("a lossless JPEG")),
            0xc5..=0xc7 | 0xde => return Err(unsupported("a hierarchical JPEG")),
            0xc9..=0xcb | 0xcd..=0xcf => return Err(unsupported("an arithmetic-coded JPEG")),
            0xf7 => return Err(unsupported("a JPEG-LS")),
            _ => return Ok(None),
        };
        let &[precision, h0, h1, w0, w1, count, ref channels @ ..] = content else {
            return Err(corrupt("its frame header is too short"));
        };
        if precision != 8 {
            return Err(unsupported("a JPEG of other than 8 bits a sample"));
        }
        let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
        if height == 0 {
            return Err(unsupported("a JPEG without a height in its header"));
        }
        if ![1, 3, 4].contains(&count) {
            return Err(unsupported("a JPEG of neither 1, 3 nor 4 channels"));
        }
        let channels = channels.as_chunks::<3>().0;
        if channels.len() != usize::from(count) {
            return Err(corrupt("its frame header is too short"));
        }
        let mut channels: Vec<_> = channels
            .iter()
            .map(|[name, sampling, quantization]| Channel {
                name: *name,
                h: u32::from(sampling >> 4),
                v: u32::from(sampling & 15),
                quantization: *quantization,
            })
            .collect();
        let factors = 1..=4;
        if !channels
            .iter()
            .all(|channel| factors.contains(&channel.h) && factors.contains(&channel.v))
        {
            return Err(corrupt("its sampling factors are out of range"));
        }
        // Of a single channel the factors mean nothing.
        if let [only] = &mut channels[..] {
            (only.h, only.v) = (1, 1);
        }
        let frame = Self {
            width: width.into(),
            height: height.into(),
            progressive,
            channels,
        };
        let (h_most, v_most) = frame.most();
        if !frame
            .channels
            .iter()
            .all(|channel| h_most.is_multiple_of(channel.h) && v_most.is_multiple_of(channel.v))
        {
            return Err(unsupported("a JPEG with unusual sampling"));
        }
        Ok(Some(frame))
    }

    /// The greatest sampling factors of all channels.
    pub(super) fn most(&self) -> (u32, u32) {
        let most = |factor: fn(&Channel) -> u32| self.channels.iter().map(factor).max();
        (
            most(|channel| channel.h).unwrap_or(1),
            most(|channel| channel.v).unwrap_or(1),
        )
    }

    /// Units of interleaved channels, across and down.
    pub(super) fn units(&self) -> (u32, u32) {
        let (h_most, v_most) = self.most();
        (
            self.width.div_ceil(8 * h_most),
            self.height.div_ceil(8 * v_most),
        )
    }

    /// Blocks that a channel needs for its part of the picture, across and down.
    pub(super) fn blocks(&self, channel: &Channel) -> (u32, u32) {
        let (h_most, v_most) = self.most();
        (
            (self.width * channel.h).div_ceil(8 * h_most),
            (self.height * channel.v).div_ceil(8 * v_most),
        )
    }

    /// Blocks of a channel, across and down, those included that only fill up the last units.
    pub(super) fn padded_blocks(&self, channel: &Channel) -> (u32, u32) {
        let (across, down) = self.units();
        (across * channel.h, down * channel.v)
    }

    /// Samples of all channels, those included that only fill up the last units.
    pub(super) fn padded_samples(&self) -> u64 {
        let blocks = self
            .channels
            .iter()
            .map(|channel| self.padded_blocks(channel));
        blocks
            .map(|(across, down)| 64 * u64::from(across) * u64::from(down))
            .sum()
    }

    /// A bound below which the coded data can't describe so many blocks: each block takes at least one code of at
    /// least one bit for its DC coefficient, and without progression another for its AC coefficients.
    ///
    /// Keeps a file of 1 KB from costing the decoding of 50 megapixels.
    pub(super) fn least_coded_bytes(&self) -> usize {
        let blocks: usize = self
            .channels
            .iter()
            .map(|channel| self.blocks(channel))
            .map(|(across, down)| across as usize * down as usize)
            .sum();
        blocks * if self.progressive { 1 } else { 2 } / 8
    }

    /// 4:4:4, 4:2:2, 4:2:0, or a single channel.
    #[cfg(any(test, not(feature = "turbojpeg")))]
    pub(super) fn usually_sampled(&self) -> bool {
        let factors: Vec<_> = self.channels.iter().map(|c| (c.h, c.v)).collect();
        match factors[..] {
            [_] => true,
            [luma, (1, 1), (1, 1)] => [(1, 1), (2, 1), (2, 2)].contains(&luma),
            _ => false,
        }
    }
}

fn unsupported(found: &'static str) -> ImageError {
    ImageError::Unsupported { found }
}
