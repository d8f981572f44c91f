//! From a picture of any size to the network's pixels.

use bytes::Bytes;
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{CroppedImageMut, Image, ImageRef},
};

use super::{Color, Filter, Picture, Resize, Transform, picture::Span};

/// See [`Transform::crop`].
pub(super) const LONGEST: u32 = 16;

/// Pixels of the network's size and colours: 8 bits a channel, channels interleaved, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    bytes: Bytes,
}

impl Pixels {
    /// Pixels that have the network's size and colours already; none where they are not [`Transform::row_len`].
    pub fn from_bytes(transform: &Transform, bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == transform.row_len()).then_some(Self {
            bytes: bytes.into(),
        })
    }

    /// [`Transform::row_len`] bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same pixels, in memory that `keep` looks after. Clones share it.
    #[must_use]
    pub fn kept_by(self, keep: impl FnOnce(Bytes) -> Bytes) -> Self {
        Self {
            bytes: keep(self.bytes),
        }
    }
}

impl Transform {
    /// Resizes, pads or crops, and converts to the network's colours.
    ///
    /// The picture is taken whole because one that has the network's size and colours already becomes the result
    /// without a copy. It should have been decoded for this transform: see [`decode`](super::decode).
    ///
    /// # Panics
    /// May panic on a transform that [`validate`](Self::validate) refuses.
    pub fn apply(&self, picture: Picture) -> Pixels {
        let picture = if self.color == Color::Gray {
            picture.into_gray()
        } else {
            picture
        };
        let from_gray = picture.color() == Color::Gray;
        let bytes = self.resize(picture);
        let bytes = match self.color {
            Color::Gray => bytes,
            Color::Rgb | Color::Bgr if from_gray => {
                bytes.iter().flat_map(|gray| [*gray; 3]).collect()
            }
            Color::Rgb => bytes,
            Color::Bgr => swapped(bytes),
        };
        Pixels {
            bytes: bytes.into(),
        }
    }

    /// The size to which a whole picture is brought, before what is too much is cut off and what is missing is filled.
    pub(super) fn resized(&self, width: u32, height: u32) -> (u32, u32) {
        match self.resize {
            Resize::Stretch => (self.width, self.height),
            Resize::FitPad => {
                // The side that binds is met exactly; the other is rounded to the nearest pixel.
                let (w, h) = (u64::from(width), u64::from(height));
                let (to_w, to_h) = (u64::from(self.width), u64::from(self.height));
                let rounded = |numerator: u64, denominator: u64| {
                    ((numerator + denominator / 2) / denominator).max(1) as u32
                };
                if w * to_h >= h * to_w {
                    (self.width, rounded(h * to_w, w))
                } else {
                    (rounded(w * to_h, h), self.height)
                }
            }
            Resize::Crop => {
                // As torchvision's Resize: the longer side is rounded down.
                let shorter = self.shorter_side();
                let longer = u64::from(shorter) * u64::from(width.max(height))
                    / u64::from(width.min(height));
                let longer = u32::try_from(longer).unwrap_or(u32::MAX);
                if width <= height {
                    (shorter, longer)
                } else {
                    (longer, shorter)
                }
            }
        }
    }

    /// With `resize = "crop"`: what the shorter side becomes.
    pub(super) fn shorter_side(&self) -> u32 {
        // Size / 0.875, rounded down as timm does: 256 for 224, 341 for 299.
        self.resize_to
            .unwrap_or(self.width.max(self.height) * 8 / 7)
    }

    fn resize(&self, picture: Picture) -> Vec<u8> {
        let (width, height) = picture.full_size();
        let resized = self.resized(width, height);
        let network = (self.width, self.height);
        match self.resize {
            // Nothing is larger before a reduction that leaves the network's size: the picture was not reduced.
            _ if resized == network && (width, height) == network => picture.into_bytes(),
            Resize::Stretch => self.resample(&picture, picture.span(), network),
            Resize::FitPad => self.pad(&picture, resized),
            Resize::Crop => self.crop(&picture, resized),
        }
    }

    /// Resizes into the middle of a background.
    fn pad(&self, picture: &Picture, (width, height): (u32, u32)) -> Vec<u8> {
        let pixel = pixel_type(picture);
        let mut background =
            vec![self.pad; self.width as usize * self.height as usize * pixel.size()];
        let mut target = Image::from_slice_u8(self.width, self.height, &mut background, pixel)
            .expect("a buffer of this size");
        let left = (self.width - width) / 2;
        let top = (self.height - height) / 2;
        let mut middle = CroppedImageMut::new(&mut target, left, top, width, height)
            .expect("fits by construction");
        Resizer::new()
            .resize(&source(picture), &mut middle, &self.options(picture.span()))
            .expect("same pixel types, crop within the source");
        background
    }

    /// Resizes the whole, then cuts the centre out: a filter looks beyond the edges of the cut.
    ///
    /// Of a strip longer than [`LONGEST`] times its width only that much is resized, so that a strip of one pixel
    /// doesn't become one of gigabytes: the cut is at most as long as the strip is wide.
    fn crop(&self, picture: &Picture, (width, height): (u32, u32)) -> Vec<u8> {
        let most = self.shorter_side().saturating_mul(LONGEST);
        let whole = picture.span();
        let (kept_width, kept_height) = (width.min(most), height.min(most));
        let span = Span {
            width: whole.width.min(whole.height * f64::from(LONGEST)),
            height: whole.height.min(whole.width * f64::from(LONGEST)),
            ..whole
        };
        // On whole pixels: fast_image_resize miscounts some enlarged cuts that begin within one.
        let span = Span {
            left: whole.left + ((whole.width - span.width) / 2.0).floor(),
            top: whole.top + ((whole.height - span.height) / 2.0).floor(),
            ..span
        };
        let resized = self.resample(picture, span, (kept_width, kept_height));
        let channels = picture.color().channels();
        let row_len = self.width as usize * channels;
        let left = centre(kept_width, self.width) as usize * channels;
        let mut out = Vec::with_capacity(row_len * self.height as usize);
        for row in resized
            .chunks_exact(kept_width as usize * channels)
            .skip(centre(kept_height, self.height) as usize)
            .take(self.height as usize)
        {
            out.extend_from_slice(&row[left..][..row_len]);
        }
        out
    }

    /// A part of the picture, resized to `size`.
    fn resample(&self, picture: &Picture, span: Span, size: (u32, u32)) -> Vec<u8> {
        let mut target = Image::new(size.0, size.1, pixel_type(picture));
        Resizer::new()
            .resize(&source(picture), &mut target, &self.options(span))
            .expect("same pixel types, crop within the source");
        target.into_vec()
    }

    fn options(&self, span: Span) -> ResizeOptions {
        let algorithm = match self.filter {
            Filter::Nearest => ResizeAlg::Nearest,
            Filter::Box => ResizeAlg::Convolution(FilterType::Box),
            Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Filter::Lanczos3 => ResizeAlg::Convolution(FilterType::Lanczos3),
        };
        ResizeOptions::new().resize_alg(algorithm).crop(
            span.left,
            span.top,
            span.width,
            span.height,
        )
    }
}

/// Where a cut of `inner` begins in `outer`: half of the rest, halves to the even number as torchvision's CenterCrop.
fn centre(outer: u32, inner: u32) -> u32 {
    (f64::from(outer - inner) / 2.0).round_ties_even() as u32
}

fn pixel_type(picture: &Picture) -> PixelType {
    match picture.color() {
        Color::Gray => PixelType::U8,
        Color::Rgb | Color::Bgr => PixelType::U8x3,
    }
}

fn source(picture: &Picture) -> ImageRef<'_> {
    ImageRef::new(
        picture.width(),
        picture.height(),
        picture.bytes(),
        pixel_type(picture),
    )
    .expect("a picture's bytes have its size")
}

fn swapped(mut bytes: Vec<u8>) -> Vec<u8> {
    for [first, _, last] in bytes.as_chunks_mut().0 {
        std::mem::swap(first, last);
    }
    bytes
}
