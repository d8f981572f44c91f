//! From bytes and numbers to rows; transforms that make no sense.

use std::sync::Arc;

use proptest::prelude::*;
use stillhouse_engine::Sample;

use super::target;
use crate::{Color, ImageError, Input, Layout, Normalization, Resize, Transform, TransformError};

fn transform() -> impl Strategy<Value = Transform> {
    let color = prop_oneof![Just(Color::Gray), Just(Color::Rgb), Just(Color::Bgr)];
    let layout = prop_oneof![Just(Layout::Nchw), Just(Layout::Nhwc)];
    (color, layout, 1..40_u32, 1..40_u32, any::<bool>()).prop_flat_map(
        |(color, layout, width, height, each)| {
            let count = if each { color.channels() } else { 1 };
            let mean = prop::collection::vec(-200.0..200.0_f32, count);
            let std = prop::collection::vec(prop_oneof![0.01..200.0_f32, -200.0..-0.01_f32], count);
            (mean, std, 1e-3..2.0_f32).prop_map(move |(mean, std, scale)| Transform {
                layout,
                scale,
                mean,
                std,
                ..target(color, width, height)
            })
        },
    )
}

#[test]
fn plain_is_what_a_manifest_says_with_few_words() {
    let scale = 1.0_f32 / 255.0;
    let few = format!(
        "color = 'gray'\nwidth = 28\nheight = 14\nscale = {scale}\nmean = [0.0]\nstd = [1.0]"
    );
    let read: Transform = toml::from_str(&few).unwrap();
    assert_eq!(read, Transform::plain(Color::Gray, 28, 14));
    assert_eq!(read.validate(), Ok(()));
}

proptest! {
    /// `x = (byte * scale - mean[c]) / std[c]` at the position that the layout says, in double precision.
    #[test]
    fn a_row_follows_the_formula(transform in transform(), seed in any::<u8>()) {
        let normalization = Normalization::new(&transform).unwrap();
        let bytes: Vec<u8> = (0..transform.row_len())
            .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
            .collect();
        let mut row = vec![f32::NAN; transform.row_len()];
        normalization.write(&bytes, &mut row);

        let channels = transform.color.channels();
        let area = (transform.width * transform.height) as usize;
        for pixel in 0..area {
            for channel in 0..channels {
                let of = |numbers: &[f32]| f64::from(numbers[channel.min(numbers.len() - 1)]);
                let (mean, std) = (of(&transform.mean), of(&transform.std));
                let scaled = f64::from(bytes[pixel * channels + channel]) * f64::from(transform.scale);
                let at = match transform.layout {
                    Layout::Nchw => channel * area + pixel,
                    Layout::Nhwc => pixel * channels + channel,
                };
                // Relative to the terms, not to their difference, which may cancel.
                let terms = (scaled.abs() + mean.abs()) / std.abs();
                let error = (f64::from(row[at]) - (scaled - mean) / std).abs();
                prop_assert!(error <= terms * 3.0 * f64::from(f32::EPSILON), "off by {error} at {at}");
            }
        }
    }
}

#[test]
fn pixels_and_numbers_fill_the_row() {
    let transform = Transform {
        scale: 2.0,
        ..target(Color::Gray, 2, 2)
    };
    let picture = crate::Picture::of(2, 2, Color::Gray, vec![0, 1, 2, 255]);
    let input = Input::Pixels {
        pixels: transform.apply(picture),
        normalization: Arc::new(Normalization::new(&transform).unwrap()),
    };
    let mut row = [f32::NAN; 4];
    input.write(&mut row);
    assert_eq!(row, [0.0, 2.0, 4.0, 510.0]);

    Input::numbers(vec![1.0, -2.0, 0.5, 3.0], 4)
        .unwrap()
        .write(&mut row);
    assert_eq!(row, [1.0, -2.0, 0.5, 3.0]);
}

#[test]
fn numbers_are_counted_and_must_be_finite() {
    assert_eq!(
        Input::numbers(vec![1.0; 3], 4),
        Err(ImageError::WrongCount {
            expected: 4,
            found: 3
        })
    );
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e39_f64 as f32] {
        assert_eq!(
            Input::numbers(vec![1.0, 2.0, bad], 3),
            Err(ImageError::NotFinite { index: 2 })
        );
    }
}

#[test]
fn transforms_that_make_no_sense_are_refused() {
    let good = target(Color::Rgb, 224, 224);
    assert_eq!(good.validate(), Ok(()));
    let check = |change: fn(&mut Transform), message: &str| {
        let mut transform = good.clone();
        change(&mut transform);
        let error = transform.validate().expect_err(message);
        assert_eq!(error.to_string(), message);
        assert!(Normalization::new(&transform).is_err());
    };
    check(
        |t| t.width = 0,
        "width is 0: it must lie between 1 and 4096 pixels",
    );
    check(
        |t| t.height = 5000,
        "height is 5000: it must lie between 1 and 4096 pixels",
    );
    check(
        |t| t.mean = vec![],
        "mean has 0 numbers: it must have 1 (for all channels) or 3 (one a channel)",
    );
    check(
        |t| t.std = vec![1.0; 2],
        "std has 2 numbers: it must have 1 (for all channels) or 3 (one a channel)",
    );
    check(
        |t| t.std = vec![1.0, 0.0, 1.0],
        "std is 0: it must be finite and not zero",
    );
    check(
        |t| t.std = vec![f32::NAN],
        "std is NaN: it must be finite and not zero",
    );
    check(
        |t| t.mean = vec![f32::INFINITY],
        "mean is inf: it must be finite",
    );
    check(
        |t| t.scale = 0.0,
        "scale is 0: it must be finite and not zero",
    );
    check(
        |t| t.resize_to = Some(256),
        "resize_to only has a meaning with resize = \"crop\": remove it or set that",
    );

    let crop = |resize_to| Transform {
        resize: Resize::Crop,
        resize_to: Some(resize_to),
        ..good.clone()
    };
    assert_eq!(crop(224).validate(), Ok(()));
    assert_eq!(
        crop(223).validate(),
        Err(TransformError::CropOutside {
            resize_to: 223,
            side: 224
        })
    );
    assert!(matches!(
        crop(100_000).validate(),
        Err(TransformError::Size {
            name: "resize_to",
            ..
        })
    ));
}
