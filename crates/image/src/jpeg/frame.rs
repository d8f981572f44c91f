//! What a whole JPEG is, known before any of it is decoded.
//!
//! Both back ends go on with gray where data ends early, and neither bounds the number of scans (or only of one kind);
//! this walk does both, once, and reads no coded data but for its marker bytes.

use super::{
    segments::{APP0, APP1, APP14, SOS, Segments, corrupt},
    start_of_frame::StartOfFrame,
};
use crate::{ImageError, Limits, exif::Orientation};

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
    /// Whether scans and sampling are as nearly every encoder makes them.
    ///
    /// The first scan has all channels, and the sampling is 4:4:4, 4:2:2 or 4:2:0.
    #[cfg_attr(
        all(feature = "turbojpeg", not(test)),
        expect(dead_code, reason = "libjpeg does them all")
    )]
    pub(super) usual: bool,
    /// From EXIF.
    pub(super) orientation: Orientation,
    /// Length in bytes up to and with the end marker. What follows (a second picture, padding) is not looked at.
    pub(super) end: usize,
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
        let (mut scans, mut coded_bytes, mut first_scan_channels) = (0, 0, 0);
        while let Some((marker, content)) = segments.next()? {
            match marker {
                APP0 if content.starts_with(b"JFIF\0") => jfif = true,
                APP1 if content.starts_with(b"Exif\0") => {
                    orientation = Orientation::from_exif(content);
                }
                APP14 if content.starts_with(b"Adobe") => adobe = content.get(11).copied(),
                SOS => {
                    if scans == 0 {
                        first_scan_channels = content.first().copied().unwrap_or_default();
                    }
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
            model: Model::of(&sof, jfif, adobe),
            usual: usize::from(first_scan_channels) == sof.channels.len() && sof.usually_sampled(),
            orientation,
            end: segments.at,
        })
    }
}

impl Model {
    /// By the number of channels, JFIF's and Adobe's markers, and the channels' names, in this order.
    fn of(sof: &StartOfFrame, jfif: bool, adobe: Option<u8>) -> Self {
        let names: Vec<u8> = sof.channels.iter().map(|channel| channel.0).collect();
        match (&names[..], adobe) {
            ([_], _) => Self::Luma,
            ([_, _, _, _], _) => Self::Cmyk,
            _ if jfif => Self::YCbCr,
            (_, Some(0)) => Self::Rgb,
            (b"RGB", None) => Self::Rgb,
            _ => Self::YCbCr,
        }
    }
}
