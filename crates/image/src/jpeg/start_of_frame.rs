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

/// A frame header that can be decoded here.
pub(super) struct StartOfFrame {
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    progressive: bool,
    /// Name and sampling factors (horizontal, vertical) of each channel.
    pub(super) channels: Vec<(u8, u32, u32)>,
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
        let channels: Vec<_> = channels
            .iter()
            .map(|[name, sampling, _]| (*name, u32::from(sampling >> 4), u32::from(sampling & 15)))
            .collect();
        let factors = 1..=4;
        if !channels
            .iter()
            .all(|(_, h, v)| factors.contains(h) && factors.contains(v))
        {
            return Err(corrupt("its sampling factors are out of range"));
        }
        Ok(Some(Self {
            width: width.into(),
            height: height.into(),
            progressive,
            channels,
        }))
    }

    /// A bound below which the coded data can't describe so many blocks: each block takes at least one code of at
    /// least one bit for its DC coefficient, and without progression another for its AC coefficients.
    ///
    /// Keeps a file of 1 KB from costing the decoding of 50 megapixels.
    pub(super) fn least_coded_bytes(&self) -> usize {
        let most = |factor: fn(&(u8, u32, u32)) -> u32| self.channels.iter().map(factor).max();
        let h_most = most(|channel| channel.1).unwrap_or(1);
        let v_most = most(|channel| channel.2).unwrap_or(1);
        let blocks: usize = self
            .channels
            .iter()
            .map(|(_, h, v)| {
                let across = (self.width * h).div_ceil(h_most * 8);
                let down = (self.height * v).div_ceil(v_most * 8);
                across as usize * down as usize
            })
            .sum();
        blocks * if self.progressive { 1 } else { 2 } / 8
    }

    /// 4:4:4, 4:2:2, 4:2:0, or a single channel.
    pub(super) fn usually_sampled(&self) -> bool {
        let factors: Vec<_> = self.channels.iter().map(|(_, h, v)| (*h, *v)).collect();
        match factors[..] {
            // Of a single channel the factors mean nothing.
            [_] => true,
            [(1, 1), (1, 1), (1, 1), (1, 1)] => true,
            [luma, (1, 1), (1, 1)] => [(1, 1), (2, 1), (2, 2)].contains(&luma),
            _ => false,
        }
    }
}

fn unsupported(found: &'static str) -> ImageError {
    ImageError::Unsupported { found }
}
