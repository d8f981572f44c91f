//! Format and size from the first bytes, whatever the `Content-Type` claims.

use std::fmt;

use serde::Serialize;

use super::{ImageError, jpeg, png, webp};

/// A format that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PNG, of one frame.
    Png,
    /// JPEG: baseline, extended sequential or progressive, Huffman-coded, 8 bits.
    Jpeg,
    /// WebP: lossy or lossless, of one frame.
    WebP,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
        })
    }
}

/// Format and size of a picture that has not been decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sniffed format.
    pub format: Format,
    /// Width in pixels as stored, before any EXIF orientation.
    pub width: u32,
    /// Height in pixels as stored, before any EXIF orientation.
    pub height: u32,
}

impl Header {
    /// Width times height.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Reads format and size from the header alone.
///
/// # Errors
/// [`ImageError::Empty`]; [`ImageError::Unsupported`] for what is not decoded here, animations included;
/// [`ImageError::Corrupt`] when the header is cut off or contradicts itself.
pub fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    let (format, (width, height)) = match sniff(bytes)? {
        Format::Png => (Format::Png, png::size(bytes)?),
        Format::Jpeg => (Format::Jpeg, jpeg::size(bytes)?),
        Format::WebP => (Format::WebP, webp::size(bytes)?),
    };
    if width == 0 || height == 0 {
        return Err(ImageError::corrupt(
            format,
            format_args!("its header says {width} x {height} pixels"),
        ));
    }
    Ok(Header {
        format,
        width,
        height,
    })
}

/// The format by its first bytes.
pub(super) fn sniff(bytes: &[u8]) -> Result<Format, ImageError> {
    match bytes {
        [] => Err(ImageError::Empty),
        [0x89, b'P', b'N', b'G', ..] => Ok(Format::Png),
        [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Ok(Format::WebP),
        _ => Err(ImageError::Unsupported {
            found: foreign(bytes),
        }),
    }
}

/// The name of a format that is refused.
fn foreign(bytes: &[u8]) -> &'static str {
    const BY_PREFIX: &[(&[u8], &str)] = &[
        (b"GIF8", "a GIF"),
        (b"BM", "a BMP"),
        (b"II*\0", "a TIFF"),
        (b"MM\0*", "a TIFF"),
        (b"II+\0", "a TIFF"),
        (b"MM\0+", "a TIFF"),
        (b"\0\0\x01\0", "an ICO"),
        (b"8BPS", "a PSD"),
        (b"%PDF", "a PDF"),
        (b"\xff\x0a", "a JPEG XL"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000"),
        (b"\x8aMNG", "an MNG"),
        (b"qoif", "a QOI"),
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"RIFF", "a RIFF file that is not WebP"),
        (b"II\xbc", "a JPEG XR"),
        (b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
    ];
    if let Some((_, name)) = BY_PREFIX
        .iter()
        .find(|(prefix, _)| bytes.starts_with(prefix))
    {
        return name;
    }
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => return "an AVIF",
        Some(b"ftypheic" | b"ftypheix" | b"ftyphevc" | b"ftypmif1" | b"ftypmsf1") => {
            return "a HEIF";
        }
        Some([b'f', b't', b'y', b'p', ..]) => return "an MP4 or QuickTime video",
        _ => {}
    }
    text(bytes).unwrap_or("an unknown format")
}

/// How a JPEG, PNG, WebP and GIF begin in base64.
const BASE64: &[&[u8]] = &[b"/9j/", b"_9j_", b"iVBORw0KGgo", b"UklGR", b"R0lGOD"];

/// Distinguishes base64 of a picture, and SVG from other markup by the first 1024 bytes.
fn text(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(1024)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start();
    let mentions = |tag: &[u8]| {
        head.windows(tag.len())
            .any(|window| window.eq_ignore_ascii_case(tag))
    };
    // In quotes, as some programs write JSON's strings.
    let inner = head.strip_prefix(b"\"").unwrap_or(head);
    if inner
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"data:"))
    {
        return Some("a data URL (the bytes themselves are needed, or JSON)");
    }
    if BASE64.iter().any(|start| inner.starts_with(start)) {
        return Some("base64 text (the bytes themselves are needed, or JSON)");
    }
    match head.first()? {
        b'<' if mentions(b"<svg") || mentions(b"<!doctype svg") => Some("an SVG"),
        b'<' => Some("XML or HTML"),
        b'{' | b'[' => Some("JSON"),
        _ => None,
    }
}
