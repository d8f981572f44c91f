//! What the markers of a JPEG say, from its start to its end marker, without decoding.
//!
//! Both back ends go on with gray where data ends early, and neither bounds the number of scans (or only one kind);
//! this walk does both, once, in about a thousandth of the time that decoding takes.

use crate::image::{Format, ImageError, Limits, exif::Orientation};

/// How the channels are to be understood, by the same rules as libjpeg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// One channel.
    Luma,
    /// Luma and two chroma channels: nearly every photograph.
    YCbCr,
    /// Red, green and blue, as an Adobe marker or the channels' names say.
    Rgb,
    /// CMYK or YCCK, with inverted values as Adobe writes them.
    Cmyk,
}

/// A whole JPEG.
#[derive(Debug)]
pub(super) struct Frame {
    /// Width in pixels, as stored.
    pub(super) width: u32,
    /// Height in pixels, as stored.
    pub(super) height: u32,
    /// Meaning of the channels.
    pub(super) model: Model,
    /// From EXIF.
    pub(super) orientation: Orientation,
    /// Length in bytes up to and with the end marker. What follows (a second picture, padding) is not looked at.
    pub(super) end: usize,
}

/// Width and height from the frame header.
pub(in crate::image) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let mut segments = Segments::new(bytes);
    loop {
        let (marker, content) = segments.next_before_scan()?;
        if let Some(sof) = StartOfFrame::read(marker, content)? {
            return Ok((sof.width, sof.height));
        }
    }
}

impl Frame {
    /// Walks over all segments and scans.
    ///
    /// # Errors
    /// What isn't decoded here is unsupported, a missing end marker or a scan too short for the picture's size is
    /// damage, and scans beyond the limit are refused.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ImageError> {
        let mut segments = Segments::new(bytes);
        let mut orientation = Orientation::Upright;
        let (mut jfif, mut adobe) = (false, None);
        let mut sof = None;
        let (mut scans, mut coded_bytes) = (0, 0);
        while let Some((marker, content)) = segments.next()? {
            match (marker, content) {
                (APP0, [b'J', b'F', b'I', b'F', 0, ..]) => jfif = true,
                (APP1, [b'E', b'x', b'i', b'f', 0, ..]) => {
                    orientation = Orientation::from_exif(content);
                }
                (
                    APP14,
                    [
                        b'A',
                        b'd',
                        b'o',
                        b'b',
                        b'e',
                        _,
                        _,
                        _,
                        _,
                        _,
                        _,
                        transform,
                        ..,
                    ],
                ) => {
                    adobe = Some(*transform);
                }
                (SOS, _) => {
                    scans += 1;
                    if scans > limits.max_scans {
                        return Err(ImageError::TooManyScans {
                            limit: limits.max_scans,
                        });
                    }
                    coded_bytes += segments.skip_scan();
                }
                _ => match StartOfFrame::read(marker, content)? {
                    Some(_) if sof.is_some() => return Err(corrupt("it has two frame headers")),
                    Some(found) => sof = Some(found),
                    None => {}
                },
            }
        }
        let sof: StartOfFrame = sof.ok_or_else(|| corrupt("it has no frame header"))?;
        if coded_bytes < sof.least_coded_bytes() {
            return Err(corrupt("it has too little data for its size"));
        }
        Ok(Self {
            width: sof.width,
            height: sof.height,
            model: sof.model(jfif, adobe),
            orientation,
            end: segments.at,
        })
    }
}

fn corrupt(reason: &str) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP14: u8 = 0xee;
/// Markers without a length: TEM and the restarts.
const STANDALONE: [std::ops::RangeInclusive<u8>; 2] = [0x01..=0x01, 0xd0..=0xd7];

/// The segments between SOI and EOI. A scan's coded data must be skipped by whoever saw its SOS.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn new(bytes: &'a [u8]) -> Self {
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
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, ImageError> {
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
    fn next_before_scan(&mut self) -> Result<(u8, &'a [u8]), ImageError> {
        match self.next()? {
            None | Some((SOS, _)) => Err(corrupt("it has no frame header")),
            Some(segment) => Ok(segment),
        }
    }

    /// Moves to the marker that ends a scan's coded data, or to the end of the bytes; returns how many were skipped.
    fn skip_scan(&mut self) -> usize {
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

/// A frame header that can be decoded here.
struct StartOfFrame {
    width: u32,
    height: u32,
    progressive: bool,
    /// Name and sampling factors (horizontal, vertical) of each channel.
    channels: Vec<(u8, u32, u32)>,
}

impl StartOfFrame {
    /// `None` where the marker is not that of a frame header.
    fn read(marker: u8, content: &[u8]) -> Result<Option<Self>, ImageError> {
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
    fn least_coded_bytes(&self) -> usize {
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

    fn model(&self, jfif: bool, adobe: Option<u8>) -> Model {
        let names: Vec<u8> = self.channels.iter().map(|channel| channel.0).collect();
        match (&names[..], adobe) {
            ([_], _) => Model::Luma,
            ([_, _, _, _], _) => Model::Cmyk,
            _ if jfif => Model::YCbCr,
            (_, Some(0)) => Model::Rgb,
            (b"RGB", None) => Model::Rgb,
            _ => Model::YCbCr,
        }
    }
}

fn unsupported(found: &'static str) -> ImageError {
    ImageError::Unsupported { found }
}
