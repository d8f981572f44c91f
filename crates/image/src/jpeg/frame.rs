//! What a whole JPEG is, known before a back end sees any of it.
//!
//! The two back ends forgive and refuse different things, so neither is asked: this reads all segments and all coded
//! data once, by libjpeg's rules, and refuses what isn't whole. A back end gets [a clean copy](super::clean).

use super::{
    huffman::{Code, Huffman},
    scan::Scan,
    segments::{APP0, APP1, APP14, DHT, DQT, DRI, SOS, Segments, corrupt},
    start_of_frame::StartOfFrame,
    tables::{Steps, Tables},
    whole::Sent,
};
use crate::{ImageError, Limits, exif::Orientation};

/// libjpeg reads no longer side; the other back end could, but what is refused must not depend on how this was built.
const MAX_SIDE: u32 = 65_500;

/// How the channels are to be understood, by the same rules as libjpeg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// One channel.
    Luma,
    /// Luma and two chroma channels: nearly every photograph.
    YCbCr,
    /// Red, green and blue, as an Adobe marker or the channels' names say.
    Rgb,
    /// With inverted values, as Adobe writes them.
    Cmyk,
    /// As YCbCr, of the inks, and black.
    Ycck,
}

/// A whole JPEG.
pub(super) struct Frame<'a> {
    pub(super) model: Model,
    /// From the first EXIF block.
    pub(super) orientation: Orientation,
    /// Size, as stored, and channels.
    pub(super) header: StartOfFrame,
    /// Steps of quantisation, by channel.
    pub(super) steps: Vec<Steps>,
    pub(super) scans: Vec<CodedScan<'a>>,
}

/// A scan with all that decoding it takes.
pub(super) struct CodedScan<'a> {
    pub(super) scan: Scan,
    /// Tables for DC and AC coefficients, by the channel's place in the frame; none where the scan needs none.
    pub(super) codes: Vec<(Option<Code<'a>>, Option<Code<'a>>)>,
    /// Units between two restarts; 0 for no restarts.
    pub(super) restart_interval: u16,
    /// Coded data between the restarts.
    pub(super) stretches: Vec<&'a [u8]>,
}

/// What is known of a JPEG before its first scan: enough to say what decoding takes.
pub(super) struct Outline {
    pub(super) header: StartOfFrame,
    pub(super) orientation: Orientation,
    /// Whether the coefficients of a block come one after the other, in several scans.
    pub(super) has_several_scans: bool,
}

impl Outline {
    /// # Errors
    /// Some of those of [`Frame::read`].
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut segments = Segments::new(bytes);
        let (mut frame, mut orientation) = (None, None);
        while let Some((marker, content)) = segments.next()? {
            if marker == SOS {
                let header: StartOfFrame =
                    frame.ok_or_else(|| corrupt("it has no frame header"))?;
                let sent = content.first().copied().map_or(0, usize::from);
                return Ok(Self {
                    has_several_scans: header.progressive || sent < header.channels.len(),
                    header,
                    orientation: orientation.unwrap_or_default(),
                });
            } else if marker == APP1 && content.starts_with(b"Exif\0") {
                orientation.get_or_insert_with(|| Orientation::from_exif(content));
            } else if let Some(header) = StartOfFrame::read(marker, content)? {
                frame = Some(header);
            }
        }
        Err(corrupt("it ends before its last scan"))
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading<'a> {
    tables: Tables<'a>,
    restart_interval: u16,
    orientation: Option<Orientation>,
    jfif: bool,
    /// Adobe's number for the channels' meaning.
    adobe: Option<u8>,
    steps: Vec<Option<Steps>>,
    scans: Vec<CodedScan<'a>>,
}

impl<'a> Frame<'a> {
    /// Walks over all segments and scans.
    ///
    /// # Errors
    /// What isn't decoded here is unsupported; a missing end marker, or coefficients that were not sent, is damage;
    /// segments and scans beyond the limits are refused, and so is coded data too short for the picture's size.
    pub(super) fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, ImageError> {
        let mut segments = Segments::new(bytes);
        let mut reading = Reading::default();
        let mut frame: Option<(StartOfFrame, Sent)> = None;
        while let Some((marker, content)) = segments.next()? {
            if marker == SOS {
                let (header, sent) = frame
                    .as_mut()
                    .ok_or_else(|| corrupt("it has no frame header"))?;
                if reading.scans.len() >= limits.max_scans {
                    return Err(ImageError::TooManyScans {
                        limit: limits.max_scans,
                    });
                }
                if reading.scans.is_empty() && segments.left() < header.least_coded_bytes() {
                    return Err(corrupt("it has too little data for its size"));
                }
                reading.scan(header, sent, &mut segments, content)?;
            } else if let Some(header) = StartOfFrame::read(marker, content)? {
                if frame.is_some() {
                    return Err(corrupt("it has two frame headers"));
                }
                if header.width.max(header.height) > MAX_SIDE {
                    return Err(ImageError::TooLarge {
                        width: header.width,
                        height: header.height,
                        limit_pixels: limits.max_pixels,
                        limit_side: MAX_SIDE,
                    });
                }
                reading.steps = vec![None; header.channels.len()];
                let sent = Sent::new(&header);
                frame = Some((header, sent));
            } else {
                reading.segment(&mut segments, marker, content)?;
            }
        }
        let (header, sent) = frame.ok_or_else(|| corrupt("it has no frame header"))?;
        if !sent.is_whole() {
            return Err(corrupt("it ends before its last scan"));
        }
        Ok(Self {
            model: Model::of(&header, reading.jfif, reading.adobe),
            orientation: reading.orientation.unwrap_or_default(),
            header,
            steps: reading.steps.into_iter().flatten().collect(),
            scans: reading.scans,
        })
    }

    /// Width and height in pixels, as stored.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.header.width, self.header.height)
    }
}

impl<'a> Reading<'a> {
    /// A segment that is neither a frame's header nor a scan's.
    fn segment(
        &mut self,
        segments: &mut Segments<'_>,
        marker: u8,
        content: &'a [u8],
    ) -> Result<(), ImageError> {
        match marker {
            APP0 if content.starts_with(b"JFIF\0") && content.len() >= 14 => self.jfif = true,
            // Behind the first scan nobody looks for it.
            APP1 if content.starts_with(b"Exif\0")
                && self.orientation.is_none()
                && self.scans.is_empty() =>
            {
                self.orientation = Some(Orientation::from_exif(content));
            }
            APP14 if content.starts_with(b"Adobe") && content.len() >= 12 => {
                self.adobe = content.get(11).copied();
            }
            DQT => self.tables.define_quantization(segments, content)?,
            DHT => self.tables.define_huffman(segments, content)?,
            DRI => {
                let interval = content.first_chunk().copied();
                let interval = interval.ok_or_else(|| corrupt("its restart interval is too short"));
                self.restart_interval = u16::from_be_bytes(interval?);
            }
            _ => {}
        }
        Ok(())
    }

    fn scan(
        &mut self,
        header: &StartOfFrame,
        sent: &mut Sent,
        segments: &mut Segments<'a>,
        content: &[u8],
    ) -> Result<(), ImageError> {
        let scan = Scan::read(content, header)?;
        sent.note(&scan).map_err(corrupt)?;
        let mut codes = vec![(None, None); header.channels.len()];
        for channel in &scan.channels {
            // The steps that are in force at a channel's first scan are those of all its scans.
            let steps = &mut self.steps[channel.index];
            if steps.is_none() {
                let number = header.channels[channel.index].quantization;
                *steps = Some(self.tables.quantization(number)?);
            }
            let codes = &mut codes[channel.index];
            if scan.first == 0 && scan.high == 0 {
                codes.0 = Some(self.tables.dc(channel.dc, header.progressive)?);
            }
            if scan.last > 0 {
                codes.1 = Some(self.tables.ac(channel.ac, header.progressive)?);
            }
        }
        let built = |code: &Option<Code<'a>>| code.map(Huffman::new).transpose();
        let mut tables = Vec::with_capacity(codes.len());
        for (dc, ac) in &codes {
            tables.push((built(dc).map_err(corrupt)?, built(ac).map_err(corrupt)?));
        }
        let mut reader = sent.reader(&scan, header, &tables, &self.steps);
        let stretches = scan
            .walk(
                header,
                self.restart_interval,
                || segments.stretch(),
                &mut reader,
            )
            .map_err(corrupt)?;
        self.scans.push(CodedScan {
            scan,
            codes,
            restart_interval: self.restart_interval,
            stretches,
        });
        Ok(())
    }
}

impl Model {
    /// By the number of channels, JFIF's and Adobe's markers, and the channels' names, in this order.
    fn of(header: &StartOfFrame, jfif: bool, adobe: Option<u8>) -> Self {
        let names: Vec<u8> = header.channels.iter().map(|channel| channel.name).collect();
        match (&names[..], adobe) {
            ([_], _) => Self::Luma,
            ([_, _, _, _], None | Some(0)) => Self::Cmyk,
            ([_, _, _, _], _) => Self::Ycck,
            _ if jfif => Self::YCbCr,
            (_, Some(0)) => Self::Rgb,
            (b"RGB", None) => Self::Rgb,
            _ => Self::YCbCr,
        }
    }
}
