//! Filters against Pillow; geometry of stretching, padding and cropping.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use proptest::prelude::*;

use super::{difference, expected, fixture, target};
use crate::{Color, Filter, Limits, Picture, Resize, Transform, decode};

/// A picture whose every pixel encodes its position.
fn map(width: u32, height: u32) -> Picture {
    let bytes = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x * 7 + y * 13) as u8))
        .collect();
    Picture::of(width, height, Color::Gray, bytes)
}

#[test]
fn filters_agree_with_pillow() {
    for (name, filter) in [
        ("nearest", Filter::Nearest),
        ("box", Filter::Box),
        ("bilinear", Filter::Bilinear),
        ("bicubic", Filter::Bicubic),
        ("lanczos3", Filter::Lanczos3),
    ] {
        for (width, height) in [(16, 12), (50, 41)] {
            let transform = Transform {
                filter,
                ..target(Color::Rgb, width, height)
            };
            let picture = decode(&fixture("rgb8.png"), &Limits::default(), &transform).unwrap();
            let (_, _, expected) = expected(&format!("rgb8_{name}_{width}x{height}.ppm"));
            let found = transform.apply(picture);
            let (mean, most) = difference(found.bytes(), &expected);
            assert!(
                most <= 2 && mean < 0.25,
                "{name} to {width} x {height}: {mean:.3} on average, {most} at most"
            );
        }
    }
}

#[test]
fn a_picture_of_the_right_size_is_moved_not_copied() {
    for resize in [Resize::Stretch, Resize::FitPad] {
        let picture = map(28, 28);
        let at = picture.bytes().as_ptr();
        let transform = Transform {
            resize,
            ..target(Color::Gray, 28, 28)
        };
        assert_eq!(transform.apply(picture).bytes().as_ptr(), at);
    }
}

#[test]
fn gray_fills_three_channels_and_colour_makes_luma() {
    let gray = Picture::of(2, 1, Color::Gray, vec![5, 9]);
    for color in [Color::Rgb, Color::Bgr] {
        assert_eq!(
            target(color, 2, 1).apply(gray.clone()).bytes(),
            [5, 5, 5, 9, 9, 9]
        );
    }
    let rgb = Picture::of(2, 1, Color::Rgb, vec![255, 0, 0, 0, 0, 255]);
    assert_eq!(
        target(Color::Rgb, 2, 1).apply(rgb.clone()).bytes(),
        [255, 0, 0, 0, 0, 255]
    );
    assert_eq!(
        target(Color::Bgr, 2, 1).apply(rgb.clone()).bytes(),
        [0, 0, 255, 255, 0, 0]
    );
    assert_eq!(target(Color::Gray, 2, 1).apply(rgb).bytes(), [76, 29]);
}

/// Sizes by hand; crops after torchvision (256 for 224; halves of the rest to the even number).
#[test]
fn sizes_before_padding_and_cropping() {
    let check = |resize, resize_to, (width, height), expected| {
        let transform = Transform {
            resize,
            resize_to,
            ..target(Color::Gray, 224, 224)
        };
        assert_eq!(
            transform.resized(width, height),
            expected,
            "{resize:?} {width} x {height}"
        );
    };
    check(Resize::Stretch, None, (640, 480), (224, 224));
    check(Resize::FitPad, None, (640, 480), (224, 168));
    check(Resize::FitPad, None, (480, 640), (168, 224));
    check(Resize::FitPad, None, (1, 65_535), (1, 224));
    check(Resize::FitPad, None, (65_535, 1), (224, 1));
    check(Resize::Crop, None, (640, 480), (341, 256));
    check(Resize::Crop, None, (480, 640), (256, 341));
    check(Resize::Crop, Some(232), (500, 500), (232, 232));
    check(Resize::Crop, None, (1, 65_535), (256, 16_776_960));
}

#[test]
fn extreme_strips_are_resized_within_bounded_memory() {
    for (width, height) in [(1, 65_535), (65_535, 1)] {
        for resize in [Resize::Stretch, Resize::FitPad, Resize::Crop] {
            for filter in [
                Filter::Nearest,
                Filter::Box,
                Filter::Bilinear,
                Filter::Bicubic,
                Filter::Lanczos3,
            ] {
                let transform = Transform {
                    resize,
                    filter,
                    pad: 3,
                    ..target(Color::Gray, 32, 28)
                };
                let bytes = vec![200; 65_535];
                let pixels = transform.apply(Picture::of(width, height, Color::Gray, bytes));
                assert_eq!(pixels.bytes().len(), 32 * 28);
                // A constant picture stays constant; only padding may differ.
                assert!(
                    pixels
                        .bytes()
                        .iter()
                        .all(|v| *v == 200 || (resize == Resize::FitPad && *v == 3))
                );
            }
        }
    }
}

/// A strip of 4000 pixels from black to white: its middle is gray, and hardly changes over the length of a square.
#[test]
fn the_middle_of_a_strip_is_cut() {
    let ramp: Vec<u8> = (0..4000_u32).map(|i| (i * 256 / 4000) as u8).collect();
    for (width, height) in [(1, 4000), (4000, 1)] {
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos3] {
            let transform = Transform {
                resize: Resize::Crop,
                filter,
                ..target(Color::Gray, 28, 28)
            };
            let picture = Picture::of(width, height, Color::Gray, ramp.clone());
            let pixels = transform.apply(picture);
            assert!(
                pixels.bytes().iter().all(|v| (127..=128).contains(v)),
                "{pixels:?}"
            );
        }
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::Box),
        Just(Filter::Bilinear),
        Just(Filter::Bicubic),
        Just(Filter::Lanczos3)
    ]
}

proptest! {
    /// The same as resizing the whole picture and cutting the middle out of it.
    #[test]
    fn a_crop_is_the_centre_of_the_whole(
        (width, height) in (1..120_u32, 1..120_u32),
        (to_width, to_height, more) in (1..40_u32, 1..40_u32, 0..20_u32),
        filter in filter(),
    ) {
        let resize_to = to_width.max(to_height) + more;
        // Longer strips lose their ends before they are resized, see `Transform::crop`.
        prop_assume!(width.max(height) <= 16 * width.min(height));
        let transform = Transform {
            resize: Resize::Crop,
            resize_to: Some(resize_to),
            filter,
            ..target(Color::Gray, to_width, to_height)
        };
        let picture = map(width, height);
        let (whole_width, whole_height) = transform.resized(width, height);
        prop_assert_eq!(whole_width.min(whole_height), resize_to);
        let kind = match filter {
            Filter::Nearest => unreachable!(),
            Filter::Box => FilterType::Box,
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Lanczos3 => FilterType::Lanczos3,
        };
        let mut whole = Image::new(whole_width, whole_height, PixelType::U8);
        Resizer::new().resize(
            &ImageRef::new(width, height, picture.bytes(), PixelType::U8).unwrap(),
            &mut whole,
            &ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kind)),
        ).unwrap();
        let half = |rest: u32| (f64::from(rest) / 2.0).round_ties_even() as usize;
        let (left, top) = (half(whole_width - to_width), half(whole_height - to_height));
        let found = transform.apply(picture);
        for y in 0..to_height as usize {
            for x in 0..to_width as usize {
                let expected = whole.buffer()[(top + y) * whole_width as usize + left + x];
                let found = found.bytes()[y * to_width as usize + x];
                prop_assert_eq!(found, expected, "({}, {})", x, y);
            }
        }
    }

    /// All of the picture is there, centred, and everything else is background.
    #[test]
    fn padding_surrounds_the_whole(
        (width, height) in (1..200_u32, 1..200_u32),
        (to_width, to_height) in (1..60_u32, 1..60_u32),
        color in prop_oneof![Just(Color::Gray), Just(Color::Rgb)],
    ) {
        let transform = Transform {
            resize: Resize::FitPad,
            pad: 9,
            ..target(color, to_width, to_height)
        };
        let channels = color.channels();
        let bytes = vec![250; (width * height) as usize * channels];
        let pixels = transform.apply(Picture::of(width, height, color, bytes));
        let (inner_width, inner_height) = transform.resized(width, height);
        prop_assert!(inner_width == to_width || inner_height == to_height);
        prop_assert!(inner_width <= to_width && inner_height <= to_height);
        let (left, top) = ((to_width - inner_width) / 2, (to_height - inner_height) / 2);
        for (i, pixel) in pixels.bytes().chunks_exact(channels).enumerate() {
            let (x, y) = (i as u32 % to_width, i as u32 / to_width);
            let inside = (left..left + inner_width).contains(&x) && (top..top + inner_height).contains(&y);
            let expected = if inside { 250 } else { 9 };
            prop_assert!(pixel.iter().all(|v| *v == expected), "({}, {}): {:?}", x, y, pixel);
        }
    }
}
