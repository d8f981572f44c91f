//! A decoded picture and what is done to its pixels before any resizing: alpha over white, luma.

use super::{Color, exif::Orientation, turn::turn};

/// A decoded picture: upright, opaque, 8 bits a channel, rows from the top without gaps.
///
/// A JPEG may have been decoded at a fraction of its stored size, see [`decode`](super::decode); the size is the one
/// that the bytes here have.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// [`Color::Gray`] or [`Color::Rgb`]; decoding never makes BGR.
    color: Color,
    bytes: Vec<u8>,
    /// Upright width and height in pixels before any reduction.
    full_size: (u32, u32),
    /// The part of the bytes that shows the picture.
    span: Span,
}

/// Samples of which a decoder said that it wrote every one. Decoders can make a [`Picture`] of nothing else, so a buffer that
/// was only allocated is never taken for one.
pub(super) struct Samples(Vec<u8>);

impl Samples {
    /// A buffer that `write` fills. Its error leaves no samples, whatever it wrote before.
    pub(super) fn written<E>(
        len: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes = vec![0; len];
        write(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// What a decoder allocated itself, and returned without an error.
    #[cfg(any(test, not(feature = "turbojpeg")))]
    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Each pixel of `N` samples as one of `M`.
    pub(super) fn map<const N: usize, const M: usize>(
        self,
        convert: impl FnMut([u8; N]) -> [u8; M],
    ) -> Self {
        Self(
            self.0
                .as_chunks()
                .0
                .iter()
                .copied()
                .flat_map(convert)
                .collect(),
        )
    }

    #[cfg(any(test, not(feature = "turbojpeg")))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A rectangle in pixels, whose sides may lie within one: a side of 427 pixels at an eighth is 54, of which the picture
/// fills 53.375. Without that the network would see it 1 % too small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Picture {
    /// Rows of luma from somewhere else than a file in one of the formats; none where they are not `width * height`.
    pub fn from_luma(width: u32, height: u32, bytes: Vec<u8>) -> Option<Self> {
        let pixels = u64::from(width) * u64::from(height);
        let whole = pixels > 0 && bytes.len() as u64 == pixels;
        whole.then(|| Self::new(width, height, Color::Gray, bytes))
    }

    /// Gray or RGB samples that a decoder wrote.
    ///
    /// # Panics
    /// Where they aren't `width * height * channels`: the decoders' own mistake.
    pub(super) fn decoded(width: u32, height: u32, color: Color, samples: Samples) -> Self {
        Self::new(width, height, color, samples.0)
    }

    /// For tests, any bytes.
    #[cfg(test)]
    pub(super) fn of(width: u32, height: u32, color: Color, bytes: Vec<u8>) -> Self {
        Self::new(width, height, color, bytes)
    }

    fn new(width: u32, height: u32, color: Color, bytes: Vec<u8>) -> Self {
        debug_assert!(matches!(color, Color::Gray | Color::Rgb));
        assert_eq!(
            bytes.len(),
            width as usize * height as usize * color.channels(),
            "a {width} x {height} {color:?} picture"
        );
        Self {
            width,
            height,
            color,
            bytes,
            full_size: (width, height),
            span: Span {
                left: 0.0,
                top: 0.0,
                width: width.into(),
                height: height.into(),
            },
        }
    }

    /// The same bytes, known to be a picture of this size whose sides were divided by `denominator` and rounded up.
    pub(super) fn reduced_from(mut self, full_size: (u32, u32), denominator: u32) -> Self {
        self.full_size = full_size;
        self.span.width = f64::from(full_size.0) / f64::from(denominator);
        self.span.height = f64::from(full_size.1) / f64::from(denominator);
        self
    }

    /// Upright width and height in pixels before any reduction: what the geometry of a resize is computed from.
    pub fn full_size(&self) -> (u32, u32) {
        self.full_size
    }

    /// The part of the bytes that shows the picture.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// [`Color::Gray`] or [`Color::Rgb`].
    pub fn color(&self) -> Color {
        self.color
    }

    /// `width * height * channels` bytes, channels interleaved.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without a copy.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One channel of luma.
    pub(super) fn into_gray(mut self) -> Self {
        if self.color != Color::Gray {
            self.bytes = self.bytes.as_chunks().0.iter().copied().map(luma).collect();
            self.color = Color::Gray;
        }
        self
    }

    /// The picture at a place of a white canvas that holds it.
    pub(super) fn on_white(self, (width, height): (u32, u32), (x, y): (u32, u32)) -> Self {
        if (self.width, self.height) == (width, height) {
            return self;
        }
        let channels = self.color.channels();
        let mut canvas = vec![255; width as usize * height as usize * channels];
        let rows = self.bytes.chunks_exact(self.width as usize * channels);
        for (row, at) in rows.zip(y as usize..) {
            let start = (at * width as usize + x as usize) * channels;
            canvas[start..start + row.len()].copy_from_slice(row);
        }
        Self::new(width, height, self.color, canvas)
    }

    /// Turns the stored picture upright.
    pub(super) fn upright(mut self, orientation: Orientation) -> Self {
        match self.color {
            Color::Gray => {
                self.bytes = turn::<1>(self.bytes, self.width, self.height, orientation);
            }
            Color::Rgb | Color::Bgr => {
                self.bytes = turn::<3>(self.bytes, self.width, self.height, orientation);
            }
        }
        let (mirrored_x, mirrored_y) = orientation.mirrors_stored();
        if mirrored_x {
            self.span.left = f64::from(self.width) - self.span.width - self.span.left;
        }
        if mirrored_y {
            self.span.top = f64::from(self.height) - self.span.height - self.span.top;
        }
        if orientation.swaps_sides() {
            std::mem::swap(&mut self.width, &mut self.height);
            std::mem::swap(&mut self.full_size.0, &mut self.full_size.1);
            std::mem::swap(&mut self.span.width, &mut self.span.height);
            std::mem::swap(&mut self.span.left, &mut self.span.top);
        }
        self
    }
}

/// Luma after Rec. 601, in the 16-bit fixed point that Pillow uses: `0.299 r + 0.587 g + 0.114 b`.
pub(super) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// One channel over white: `(value * alpha + 255 * (255 - alpha)) / 255`, rounded.
pub(super) fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let sum = value * alpha + 255 * (255 - alpha) + 128;
    ((sum + (sum >> 8)) >> 8) as u8
}

/// Colour over white.
pub(super) fn flatten([r, g, b, alpha]: [u8; 4]) -> [u8; 3] {
    [r, g, b].map(|value| over_white(value, alpha))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_over_white_rounds_to_nearest() {
        for alpha in 0..=255_u8 {
            for value in 0..=255_u8 {
                let (v, a) = (f64::from(value), f64::from(alpha));
                let exact = (v * a + 255.0 * (255.0 - a)) / 255.0;
                assert_eq!(
                    f64::from(over_white(value, alpha)),
                    exact.round(),
                    "{value} {alpha}"
                );
            }
        }
    }

    #[test]
    fn luma_of_gray_is_the_gray_itself() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        assert_eq!(
            [luma([255, 0, 0]), luma([0, 255, 0]), luma([0, 0, 255])],
            [76, 150, 29]
        );
    }
}
