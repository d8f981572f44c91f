//! The RIFF container of a WebP, and the one picture in it.

use crate::{Format, ImageError, exif::Orientation, limits::MAX_SEGMENTS};

/// A picture of so many pixels may be of a single colour, which takes 34 bytes without losses.
const FREE_PIXELS: u64 = 4_000_000;
/// Above that at least a byte for so many: of a single colour, libwebp writes three times as much with losses.
const PIXELS_A_BYTE: u64 = 1024;

const ANIMATION: u8 = 1 << 1;
const ALPHA: u8 = 1 << 4;

fn corrupt(reason: &str) -> ImageError {
    ImageError::corrupt(Format::WebP, reason)
}

/// What a file shows. The container's claims about anything else are not looked at.
#[derive(Debug)]
pub(super) struct Container<'a> {
    /// Width and height.
    pub(super) canvas: (u32, u32),
    /// Where on the canvas the picture lies; the rest is transparent.
    pub(super) at: (u32, u32),
    /// From the first EXIF chunk.
    pub(super) orientation: Orientation,
    picture: Coded<'a>,
}

/// A coded picture and its transparency.
#[derive(Clone, Copy, Debug)]
struct Coded<'a> {
    size: (u32, u32),
    /// `VP8 ` or `VP8L`, and its content.
    kind: &'a [u8; 4],
    content: &'a [u8],
    /// The content of ALPH.
    alpha: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut chunks = Chunks::of_file(bytes)?;
        let first = chunks.clone().next();
        let (kind, content) = first.ok_or_else(|| ImageError::truncated(Format::WebP))?;
        if kind != b"VP8X" {
            let picture = Coded::find(chunks, false)?
                .filter(|coded| coded.kind == kind)
                .ok_or_else(|| corrupt("its first chunk is no picture"))?;
            return Ok(Self {
                canvas: picture.size,
                at: (0, 0),
                orientation: Orientation::Upright,
                picture,
            });
        }
        chunks.next();
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = content else {
            return Err(ImageError::truncated(Format::WebP));
        };
        let canvas = (u24([w0, w1, w2]) + 1, u24([h0, h1, h2]) + 1);
        let has_alpha = flags & ALPHA != 0;
        let exif = chunks.clone().find(|(kind, _)| *kind == b"EXIF");
        let (at, picture) = match flags & ANIMATION != 0 {
            true => only_frame(chunks, has_alpha, canvas)?,
            false => ((0, 0), still(chunks, has_alpha, canvas)?),
        };
        Ok(Self {
            canvas,
            at,
            orientation: exif.map_or(Orientation::Upright, |(_, exif)| {
                Orientation::from_exif(exif)
            }),
            picture,
        })
    }

    /// Refuses more pixels than the coded bytes can be worth.
    pub(super) fn check_density(&self) -> Result<(), ImageError> {
        let (width, height) = self.canvas;
        let bytes = self.picture.content.len() + self.picture.alpha.map_or(0, <[u8]>::len);
        if u64::from(width) * u64::from(height) <= FREE_PIXELS + bytes as u64 * PIXELS_A_BYTE {
            return Ok(());
        }
        Err(ImageError::TooDense {
            width,
            height,
            bytes,
        })
    }

    /// A file of the picture alone.
    pub(super) fn clean(&self) -> Vec<u8> {
        let Coded {
            size: (width, height),
            kind,
            content,
            alpha,
        } = self.picture;
        let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
        if let Some(alpha) = alpha {
            let [w0, w1, w2, _] = (width - 1).to_le_bytes();
            let [h0, h1, h2, _] = (height - 1).to_le_bytes();
            chunk(&mut out, b"VP8X", &[ALPHA, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
            chunk(&mut out, b"ALPH", alpha);
        }
        chunk(&mut out, kind, content);
        let length = out.len() as u32 - 8;
        out[4..8].copy_from_slice(&length.to_le_bytes());
        out
    }
}

/// The picture of a canvas that isn't animated.
fn still<'a>(
    chunks: Chunks<'a>,
    has_alpha: bool,
    canvas: (u32, u32),
) -> Result<Coded<'a>, ImageError> {
    let picture = Coded::find(chunks, has_alpha)?.ok_or_else(|| corrupt("it has no picture"))?;
    if picture.size != canvas {
        return Err(corrupt("canvas and picture differ in size"));
    }
    Ok(picture)
}

/// Place and picture of an animation's only frame.
fn only_frame<'a>(
    chunks: Chunks<'a>,
    has_alpha: bool,
    canvas: (u32, u32),
) -> Result<((u32, u32), Coded<'a>), ImageError> {
    let mut frames = chunks.filter(|(kind, _)| *kind == b"ANMF");
    let (Some((_, frame)), None) = (frames.next(), frames.next()) else {
        return Err(ImageError::Unsupported {
            found: "an animated WebP",
        });
    };
    let Some((&[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..], inner)) =
        frame.split_first_chunk::<16>()
    else {
        return Err(ImageError::truncated(Format::WebP));
    };
    let (x, y) = (2 * u24([x0, x1, x2]), 2 * u24([y0, y1, y2]));
    let size = (u24([w0, w1, w2]) + 1, u24([h0, h1, h2]) + 1);
    let picture = still(Chunks::whole(inner)?, has_alpha, size)?;
    if x + size.0 > canvas.0 || y + size.1 > canvas.1 {
        return Err(corrupt("its frame lies outside the canvas"));
    }
    Ok(((x, y), picture))
}

impl<'a> Coded<'a> {
    /// The first picture among chunks, with the ALPH before it if that counts.
    fn find(chunks: Chunks<'a>, has_alpha: bool) -> Result<Option<Self>, ImageError> {
        let mut alpha = None;
        for (kind, content) in chunks {
            let size = match (kind, content) {
                // Frame tag (3 bytes), start code, then 14 bits of width and of height, each with 2 bits of scale.
                (b"VP8 ", &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
                    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                    (side(w0, w1), side(h0, h1))
                }
                (b"VP8L", &[0x2f, a, b, c, d, ..]) => {
                    let bits = u32::from_le_bytes([a, b, c, d]);
                    // Transparency is in the picture itself.
                    alpha = None;
                    ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
                }
                (b"VP8 ", _) => return Err(corrupt("its VP8 chunk has no header")),
                (b"VP8L", _) => return Err(corrupt("its VP8L chunk has no header")),
                (b"ALPH", _) => {
                    alpha = alpha.or(has_alpha.then_some(content));
                    continue;
                }
                _ => continue,
            };
            return Ok(Some(Self {
                size,
                kind,
                content,
                alpha,
            }));
        }
        Ok(None)
    }
}

fn u24([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    out.extend(kind);
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
    if content.len() % 2 == 1 {
        out.push(0);
    }
}

/// Kind and content of each chunk.
#[derive(Clone)]
struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    /// Of a RIFF file, up to the length in its header: bytes after it are no part of the picture.
    fn of_file(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let truncated = || ImageError::truncated(Format::WebP);
        let length = bytes.get(4..).and_then(<[u8]>::first_chunk);
        let length = u32::from_le_bytes(*length.ok_or_else(truncated)?) as usize;
        let end = length.checked_add(8).ok_or_else(truncated)?;
        let riff = bytes.get(..end).ok_or_else(truncated)?;
        Self::whole(riff.get(12..).ok_or_else(truncated)?)
    }

    /// Makes sure that the last chunk is whole, and that there are not too many.
    fn whole(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut walk = Self(bytes);
        let chunks = walk.by_ref().take(MAX_SEGMENTS + 1).count();
        if chunks > MAX_SEGMENTS {
            return Err(ImageError::TooManySegments {
                format: Format::WebP,
                limit: MAX_SEGMENTS,
            });
        }
        if !walk.0.is_empty() {
            return Err(ImageError::truncated(Format::WebP));
        }
        Ok(Self(bytes))
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (content, rest) = rest.split_at_checked(length)?;
        // Chunks of odd length are padded; some encoders forget it after the last one.
        self.0 = rest.get(length % 2..).unwrap_or_default();
        Some((kind, content))
    }
}
