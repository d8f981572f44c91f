//! The chunks of a PNG, and which of them a decoder needs.

use std::borrow::Cow;

use crate::{Format, ImageError, exif::Orientation, limits::MAX_SEGMENTS};

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Those that make the pixels; the decoder checks their checksums.
const NEEDED: [&[u8; 4]; 5] = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"];

/// Registered ones that change no pixel here, whatever is in them: broken, they are no damage to the picture.
const HARMLESS: [&[u8; 4]; 26] = [
    b"acTL", b"bKGD", b"cHRM", b"cICP", b"cLLI", b"eXIf", b"fcTL", b"fdAT", b"gAMA", b"gIFg",
    b"gIFt", b"gIFx", b"hIST", b"iCCP", b"iTXt", b"mDCV", b"oFFs", b"pCAL", b"pHYs", b"sBIT",
    b"sCAL", b"sPLT", b"sRGB", b"tEXt", b"tIME", b"zTXt",
];

/// The most that deflate can make of a byte.
const MAX_INFLATION: u64 = 1032;

fn corrupt(reason: &str) -> ImageError {
    ImageError::corrupt(Format::Png, reason)
}

/// The header chunk.
pub(super) struct Ihdr {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) interlaced: bool,
    color: u8,
    bits_a_pixel: u64,
}

impl Ihdr {
    /// The first chunk of a file of so many bytes.
    pub(super) fn read(chunks: &mut Chunks<'_>, file_bytes: usize) -> Result<Self, ImageError> {
        let Some(Chunk {
            kind: b"IHDR",
            content:
                &[
                    w0,
                    w1,
                    w2,
                    w3,
                    h0,
                    h1,
                    h2,
                    h3,
                    depth,
                    color,
                    _,
                    _,
                    interlace,
                ],
            ..
        }) = chunks.next()
        else {
            return Err(match file_bytes {
                ..33 => ImageError::truncated(Format::Png),
                33.. => corrupt("it doesn't begin with a whole IHDR chunk"),
            });
        };
        let channels = match color {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        Ok(Self {
            width: u32::from_be_bytes([w0, w1, w2, w3]),
            height: u32::from_be_bytes([h0, h1, h2, h3]),
            interlaced: interlace != 0,
            color,
            bits_a_pixel: channels * u64::from(depth),
        })
    }

    /// Whether it has luma alone, or luma and alpha.
    pub(super) fn is_gray(&self) -> bool {
        matches!(self.color, 0 | 4)
    }
}

/// A whole chunk.
pub(super) struct Chunk<'a> {
    kind: &'a [u8; 4],
    content: &'a [u8],
    crc: u32,
    /// All of it.
    bytes: &'a [u8],
}

impl Chunk<'_> {
    fn crc_if_it_were(&self, kind: &[u8; 4]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(kind);
        crc.update(self.content);
        crc.finalize()
    }

    /// Makes sure that a chunk that isn't needed doesn't hide one that is: whose name was damaged, but whose checksum
    /// still gives it away.
    fn check_name(&self) -> Result<(), ImageError> {
        if HARMLESS.contains(&self.kind) {
            return Ok(());
        }
        if !self.kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(corrupt("a chunk has an impossible name"));
        }
        if self.kind[0].is_ascii_uppercase() {
            return Err(corrupt("it has a chunk that must be understood and isn't"));
        }
        let was_needed = NEEDED
            .iter()
            .any(|kind| self.crc_if_it_were(kind) == self.crc);
        if self.crc_if_it_were(self.kind) != self.crc && was_needed {
            return Err(corrupt("the name of a chunk was changed"));
        }
        Ok(())
    }
}

/// What a decoder needs, and what it doesn't know.
pub(super) struct Needed<'a> {
    /// A PNG of [`NEEDED`] chunks alone.
    pub(super) bytes: Cow<'a, [u8]>,
    /// From the first eXIf whose checksum is right.
    pub(super) orientation: Orientation,
}

/// The chunks, each whole; ends where the next one isn't. Checks no CRC.
pub(super) struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, ImageError> {
        match bytes.strip_prefix(SIGNATURE) {
            Some(rest) => Ok(Self(rest)),
            None if SIGNATURE.starts_with(bytes) => Err(ImageError::truncated(Format::Png)),
            None => Err(corrupt(
                "its signature was changed, perhaps by a transfer as text",
            )),
        }
    }

    /// Refuses an animation. One of a single frame, which is the picture itself, is a picture.
    pub(super) fn check_still(self) -> Result<(), ImageError> {
        let (mut frames, mut is_first_frame) = (0, false);
        let header = self.take_while(|chunk| chunk.kind != b"IDAT");
        for (number, chunk) in header.enumerate() {
            check_count(number)?;
            match (chunk.kind, chunk.content.first_chunk()) {
                (b"acTL", Some(count)) => frames = u32::from_be_bytes(*count),
                (b"fcTL", _) => is_first_frame = true,
                _ => {}
            }
        }
        if frames > 1 || frames == 1 && !is_first_frame {
            return Err(ImageError::Unsupported {
                found: "an animated PNG",
            });
        }
        Ok(())
    }

    /// Whether one of them says that the sides change places, whatever its checksum is.
    pub(super) fn may_be_turned(mut self) -> bool {
        self.any(|chunk| {
            chunk.kind == b"eXIf" && Orientation::from_exif(chunk.content).swaps_sides()
        })
    }

    /// Sorts out the chunks that a decoder needs, without a copy where it needs all.
    pub(super) fn needed(bytes: &'a [u8]) -> Result<Needed<'a>, ImageError> {
        let mut chunks = Self::new(bytes)?;
        let ihdr = Ihdr::read(&mut Self::new(bytes)?, bytes.len())?;
        let mut orientation = None;
        let mut needed = SIGNATURE.to_vec();
        let (mut others, mut pixel_bytes) = (0, 0);
        let mut copied = false;
        let mut end = SIGNATURE.len();
        for chunk in chunks.by_ref() {
            if NEEDED.contains(&chunk.kind) {
                if copied {
                    needed.extend(chunk.bytes);
                }
                end += chunk.bytes.len();
                match chunk.kind {
                    b"IDAT" => pixel_bytes += chunk.content.len() as u64,
                    b"IEND" => break,
                    _ => {}
                }
                continue;
            }
            others += 1;
            check_count(others)?;
            chunk.check_name()?;
            if chunk.kind == b"eXIf" && orientation.is_none() {
                let is_right = chunk.crc_if_it_were(b"eXIf") == chunk.crc;
                orientation = is_right.then(|| Orientation::from_exif(chunk.content));
            }
            if !copied {
                // Up to here all was needed.
                needed = bytes[..end].to_vec();
                copied = true;
            }
        }
        let row_bytes = (u64::from(ihdr.width) * ihdr.bits_a_pixel).div_ceil(8);
        if pixel_bytes.saturating_mul(MAX_INFLATION) < row_bytes * u64::from(ihdr.height) {
            return Err(corrupt("it has too little data for its size"));
        }
        Ok(Needed {
            bytes: match copied {
                // What isn't a whole chunk belongs to it: the decoder says what is wrong.
                true => Cow::Owned([&needed, chunks.0].concat()),
                false => Cow::Borrowed(bytes),
            },
            orientation: orientation.unwrap_or_default(),
        })
    }
}

fn check_count(chunks: usize) -> Result<(), ImageError> {
    if chunks > MAX_SEGMENTS {
        return Err(ImageError::TooManySegments {
            format: Format::Png,
            limit: MAX_SEGMENTS,
        });
    }
    Ok(())
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let all = self.0;
        let (length, rest) = all.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (crc, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        Some(Chunk {
            kind,
            content,
            crc: u32::from_be_bytes(*crc),
            bytes: &all[..all.len() - rest.len()],
        })
    }
}
