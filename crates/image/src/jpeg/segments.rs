//! The segments of a JPEG, without decoding.

use crate::{Format, ImageError};

pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const APP0: u8 = 0xe0;
pub(super) const APP1: u8 = 0xe1;
pub(super) const APP14: u8 = 0xee;
/// Markers without a length: TEM and the restarts.
const STANDALONE: [std::ops::RangeInclusive<u8>; 2] = [0x01..=0x01, 0xd0..=0xd7];

/// The segments between SOI and EOI. After an SOS the caller must skip the scan's coded data.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// Bytes passed so far.
    pub(super) at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        // The sniffer saw SOI.
        Self { bytes, at: 2 }
    }

    fn byte(&mut self) -> Result<u8, ImageError> {
        let byte = self.bytes.get(self.at);
        self.at += 1;
        byte.copied()
            .ok_or_else(|| ImageError::truncated(Format::Jpeg))
    }

    /// The next segment's marker and content; `None` at the end marker.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, ImageError> {
        loop {
            // Garbage between segments is skipped, as libjpeg does; fill bytes may precede a marker.
            while self.byte()? != 0xff {}
            let marker = loop {
                match self.byte()? {
                    0xff => {}
                    marker => break marker,
                }
            };
            match marker {
                0x00 => {}
                EOI => return Ok(None),
                SOI => return Err(corrupt("a second picture begins inside it")),
                _ if STANDALONE.iter().any(|range| range.contains(&marker)) => {}
                _ => {
                    let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]));
                    let content = length
                        .checked_sub(2)
                        .ok_or_else(|| corrupt("a segment has an impossible length"))
                        .map(|length| self.bytes.get(self.at..self.at + length))?
                        .ok_or_else(|| ImageError::truncated(Format::Jpeg))?;
                    self.at += content.len();
                    return Ok(Some((marker, content)));
                }
            }
        }
    }

    /// As `next`, where a scan or the end would come too early.
    pub(super) fn next_before_scan(&mut self) -> Result<(u8, &'a [u8]), ImageError> {
        match self.next()? {
            None | Some((SOS, _)) => Err(corrupt("it has no frame header")),
            Some(segment) => Ok(segment),
        }
    }

    /// Moves to the marker that ends a scan's coded data, or to the end of the bytes; returns how many were skipped.
    pub(super) fn skip_scan(&mut self) -> usize {
        let start = self.at;
        while let Some(offset) = memchr::memchr(0xff, &self.bytes[self.at..]) {
            self.at += offset;
            match self.bytes.get(self.at + 1) {
                // A stuffed byte or a restart: still coded data.
                Some(0x00 | 0xd0..=0xd7) => self.at += 2,
                Some(0xff) => self.at += 1,
                _ => return self.at - start,
            }
        }
        self.at = self.bytes.len();
        self.at - start
    }
}
