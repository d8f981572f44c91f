//! What is watched of every picture, so that a drift of the inputs is seen: a few numbers, cheap enough for live traffic.
//!
//! With luma Y (Rec. 601, 0..=255, in the fixed point of the decoders) over the n pixels of a picture:
//!
//! | name                 | formula                                                        | unit        |
//! |----------------------|----------------------------------------------------------------|-------------|
//! | `luma_mean`          | m = Σ Y / n                                                    | 1/255       |
//! | `luma_std`           | √(Σ Y² / n − m²)                                               | 1/255       |
//! | `laplacian_variance` | mean of (L − mean L)² within the thumbnail: sharpness and noise | (1/255)²    |
//! | `channel_mean_c`     | Σ v_c / n, c in the network's channel order; of colour only     | 1/255       |
//! | `width`, `height`    | of the picture as it came, upright, before any resizing         | pixels      |
//!
//! The thumbnail has at most 64 x 64 cells and never more than the picture has pixels: pixel (x, y) of a w x h picture
//! falls into cell (⌊x·cols/w⌋, ⌊y·rows/h⌋), and a cell is the mean luma of its pixels. L is the cross
//! `up + down + left + right − 4·centre` at every cell that has all four neighbours; without any it is 0.
//!
//! # Which pixels
//!
//! All but width and height are taken from the network's own [`Pixels`], after the resize and before normalisation, and
//! not from the picture as it was decoded. So wherever these numbers are computed, they are computed from the same bytes:
//! a server holds them when a request is queued, a training set holds nothing else. What a decoder leaves depends on
//! cargo features and on [`Limits::jpeg_reduction`](super::Limits::jpeg_reduction): of a JPEG decoded at a quarter, for
//! 60 x 44, the variance of the Laplacian is 42 to 46 % lower than of the whole, but 6 to 9 % higher after the resize
//! (both back ends, two fixtures; mean and standard deviation differ by 0.4 % at most, either way). The cost follows the
//! network's size instead of the client's: a photograph of 50 megapixels costs what an icon costs. And nothing is lost
//! that could explain an answer, since the network sees no more either, except how large the picture was: that is what
//! `width` and `height` keep. A version's statistics therefore belong with its transform, which stands in the same
//! manifest.
//!
//! In CPU time on an AMD EPYC without wide vectors: 4 microseconds for 28 x 28 in gray, 24 for 224 x 224 in gray, 100 in
//! colour, most of these for its luma.

mod thumbnail;

pub use thumbnail::Thumbnail;

use super::{Color, Pixels, Transform, picture::luma};

/// What is watched of one picture; the formulas are those of the [module](self).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Mean luma, 0..=255.
    pub luma_mean: f64,
    /// Standard deviation of luma over the pixels, 0..=127.5.
    pub luma_std: f64,
    /// Variance of the Laplacian of the thumbnail, in squared steps of luma.
    pub laplacian_variance: f64,
    /// Mean of each channel, 0..=255, in the network's order; none for gray, where it would be `luma_mean` again.
    pub channel_means: Option<[f64; 3]>,
    /// Upright width in pixels before any resizing.
    pub width: u32,
    /// Upright height in pixels before any resizing.
    pub height: u32,
}

impl Statistics {
    /// Measures what `transform` made of a picture that was `full_size` wide and high
    /// ([`Picture::full_size`](super::Picture::full_size)). Allocates nothing once `thumbnail` has seen such a picture.
    ///
    /// # Panics
    /// On pixels that another transform made.
    pub fn of(
        pixels: &Pixels,
        transform: &Transform,
        full_size: (u32, u32),
        thumbnail: &mut Thumbnail,
    ) -> Self {
        let (bytes, width) = (pixels.bytes(), transform.width as usize);
        assert_eq!(bytes.len(), transform.row_len(), "another transform's");
        thumbnail.begin(width, transform.height as usize);
        let (mut squares, mut channels) = (0, [0; 3]);
        let mut grays = thumbnail.take_row();
        for row in bytes.chunks_exact(width * transform.color.channels()) {
            let row = match transform.color {
                Color::Gray => row,
                color => {
                    add(&mut channels, row);
                    to_gray(row, color, &mut grays);
                    &grays
                }
            };
            // At most 4096 pixels a row: the sum of squares fits into 32 bits, and a row is summed in wide vectors.
            squares += u64::from(row.iter().map(|y| u32::from(*y).pow(2)).sum::<u32>());
            thumbnail.add(row);
        }
        thumbnail.give_row(grays);
        let sum = thumbnail.sum();

        // Whole numbers to the end: the difference of two large sums would lose its last digits in floats.
        let n = u64::from(transform.width) * u64::from(transform.height);
        let spread = u128::from(n) * u128::from(squares) - u128::from(sum).pow(2);
        let mean = |sum: u64| sum as f64 / n as f64;
        Self {
            luma_mean: mean(sum),
            luma_std: (spread as f64).sqrt() / n as f64,
            laplacian_variance: thumbnail.laplacian_variance(),
            channel_means: (transform.color != Color::Gray).then(|| channels.map(mean)),
            width: full_size.0,
            height: full_size.1,
        }
    }

    /// The numbers by their names in a manifest's reference quantiles.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        const CHANNELS: [&str; 3] = ["channel_mean_0", "channel_mean_1", "channel_mean_2"];
        let channels = self
            .channel_means
            .map(|means| CHANNELS.into_iter().zip(means));
        [
            ("luma_mean", self.luma_mean),
            ("luma_std", self.luma_std),
            ("laplacian_variance", self.laplacian_variance),
            ("width", self.width.into()),
            ("height", self.height.into()),
        ]
        .into_iter()
        .chain(channels.into_iter().flatten())
    }
}

/// Adds a row's channels to their sums.
fn add(channels: &mut [u64; 3], row: &[u8]) {
    let mut sums = [0_u32; 3];
    for pixel in row.as_chunks::<3>().0 {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u32::from(*value);
        }
    }
    for (channel, sum) in channels.iter_mut().zip(sums) {
        *channel += u64::from(sum);
    }
}

/// A row's luma.
fn to_gray(row: &[u8], color: Color, grays: &mut [u8]) {
    let pixels = row.as_chunks::<3>().0;
    for (gray, &[first, second, third]) in grays.iter_mut().zip(pixels) {
        *gray = match color {
            Color::Bgr => luma([third, second, first]),
            Color::Gray | Color::Rgb => luma([first, second, third]),
        };
    }
}

#[cfg(test)]
mod tests;
