//! The segments of a JPEG, without decoding.

use crate::{Format, ImageError, limits::MAX_SEGMENTS};

pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const DQT: u8 = 0xdb;
pub(super) const DHT: u8 = 0xc4;
pub(super) const DRI: u8 = 0xdd;
pub(super) const APP0: u8 = 0xe0;
pub(super) const APP1: u8 = 0xe1;
pub(super) const APP14: u8 = 0xee;
pub(super) const RST0: u8 = 0xd0;
/// Markers without a length: TEM and the restarts.
const STANDALONE: [std::ops::RangeInclusive<u8>; 2] = [0x01..=0x01, 0xd0..=0xd7];

/// The segments between SOI and EOI. After an SOS the caller must read the scan's coded data.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    counted: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        // The sniffer saw SOI.
        Self {
            bytes,
            at: 2,
            counted: 0,
        }
    }

    fn byte(&mut self) -> Result<u8, ImageError> {
        let byte = self.bytes.get(self.at);
        self.at += 1;
        byte.copied()
            .ok_or_else(|| ImageError::truncated(Format::Jpeg))
    }

    /// How many bytes follow.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Counts one more segment, or one more table within a segment.
    pub(super) fn count(&mut self) -> Result<(), ImageError> {
        self.counted += 1;
        if self.counted > MAX_SEGMENTS {
            return Err(ImageError::TooManySegments {
                format: Format::Jpeg,
                limit: MAX_SEGMENTS,
            });
        }
        Ok(())
    }

    /// The next segment's marker and content; `None` at the end marker.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, ImageError> {
        loop {
            // Stray bytes between segments are skipped, as libjpeg does; fill bytes may precede a marker.
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
                    self.count()?;
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

    /// Coded data up to the next marker, and the marker if it is a restart, which is passed.
    pub(super) fn stretch(&mut self) -> (&'a [u8], Option<u8>) {
        let start = self.at;
        while let Some(offset) = memchr::memchr(0xff, &self.bytes[self.at..]) {
            let found = self.at + offset;
            // Fill bytes may precede a marker.
            let fill = self.bytes[found..].iter().take_while(|byte| **byte == 0xff);
            let after = found + fill.count();
            match self.bytes.get(after) {
                Some(0x00) if after == found + 1 => self.at = after + 1,
                Some(marker @ RST0..=0xd7) => {
                    self.at = after + 1;
                    return (&self.bytes[start..found], Some(*marker));
                }
                _ => {
                    self.at = found;
                    return (&self.bytes[start..found], None);
                }
            }
        }
        self.at = self.bytes.len();
        (&self.bytes[start..], None)
    }
}
