//! From a picture of any size to the network's pixels.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{CroppedImageMut, Image, ImageRef},
};

use super::{Color, Filter, Picture, Resize, Transform};

/// Pixels of the network's size and colours: 8 bits a channel, channels interleaved, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    bytes: Vec<u8>,
}

impl Pixels {
    /// [`Transform::row_len`] bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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
        Pixels {
            bytes: match self.color {
                Color::Gray => bytes,
                Color::Rgb | Color::Bgr if from_gray => {
                    bytes.iter().flat_map(|gray| [*gray; 3]).collect()
                }
                Color::Rgb => bytes,
                Color::Bgr => swapped(bytes),
            },
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
        let resized = self.resized(picture.width(), picture.height());
        let network = (self.width, self.height);
        match self.resize {
            _ if resized == network && (picture.width(), picture.height()) == network => {
                picture.into_bytes()
            }
            Resize::Stretch => self.resample(&picture, Span::whole(&picture), network),
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
            .resize(
                &source(picture),
                &mut middle,
                &self.options(Span::whole(picture)),
            )
            .expect("same pixel types, crop within the source");
        background
    }

    /// Cuts the centre out of what the resized picture would be, without resizing what is cut off.
    ///
    /// Some pixels more than the cut are made on each side, because a filter looks beyond the edge of the cut; with
    /// them the result is that of resizing the whole and cutting then, except where a picture is enlarged so much
    /// (16 times with the bilinear filter) that the filter reaches further.
    fn crop(&self, picture: &Picture, resized: (u32, u32)) -> Vec<u8> {
        const APRON: u32 = 16;
        let cut = |resized: u32, network: u32, source: u32| {
            let start = centre(resized, network);
            let first = start.saturating_sub(APRON);
            let last = (start + network).saturating_add(APRON).min(resized);
            let scale = f64::from(source) / f64::from(resized);
            (first, last - first, scale, start - first)
        };
        let (left, width, scale_x, cut_x) = cut(resized.0, self.width, picture.width());
        let (top, height, scale_y, cut_y) = cut(resized.1, self.height, picture.height());
        let span = Span {
            left: f64::from(left) * scale_x,
            top: f64::from(top) * scale_y,
            // Rounding must not reach beyond the picture.
            width: (f64::from(width) * scale_x)
                .min(f64::from(picture.width()) - f64::from(left) * scale_x),
            height: (f64::from(height) * scale_y)
                .min(f64::from(picture.height()) - f64::from(top) * scale_y),
        };
        let wide = self.resample(picture, span, (width, height));
        if (width, height) == (self.width, self.height) {
            return wide;
        }
        let channels = picture.color().channels();
        let mut out = Vec::with_capacity(self.width as usize * self.height as usize * channels);
        for row in wide
            .chunks_exact(width as usize * channels)
            .skip(cut_y as usize)
            .take(self.height as usize)
        {
            out.extend_from_slice(
                &row[cut_x as usize * channels..][..self.width as usize * channels],
            );
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

/// A rectangle of the source, in its pixels.
#[derive(Clone, Copy)]
struct Span {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Span {
    fn whole(picture: &Picture) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: picture.width().into(),
            height: picture.height().into(),
        }
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
