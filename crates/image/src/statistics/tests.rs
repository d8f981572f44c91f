use proptest::prelude::*;

use super::*;
use crate::{
    Limits, decode,
    tests::{fixture, fixtures, target},
};

fn of(color: Color, width: u32, height: u32, bytes: &[u8]) -> Statistics {
    let transform = target(color, width, height);
    let pixels = Pixels::from_bytes(&transform, bytes.to_vec()).unwrap();
    Statistics::of(&pixels, &transform, (width, height), &mut Thumbnail::new())
}

fn near(found: f64, expected: f64) {
    let allowed = 1e-5 * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= allowed,
        "{found} is not {expected}"
    );
}

#[test]
fn gray_pictures_worked_by_hand() {
    let check = |width, height, bytes: &[u8], expected: (f64, f64, f64)| {
        let found = of(Color::Gray, width, height, bytes);
        near(found.luma_mean, expected.0);
        near(found.luma_std, expected.1);
        near(found.laplacian_variance, expected.2);
        assert_eq!(found.channel_means, None);
    };
    check(1, 1, &[7], (7.0, 0.0, 0.0));
    check(2, 1, &[0, 255], (127.5, 127.5, 0.0));
    check(3, 3, &[200; 9], (200.0, 0.0, 0.0));
    // One cell with four neighbours: nothing to vary.
    check(
        3,
        3,
        &[0, 0, 0, 0, 90, 0, 0, 0, 0],
        (10.0, 800_f64.sqrt(), 0.0),
    );
    // Two of them: 9 − 4·3 = −3 and 6 − 4·0 = 6.
    let two = [3, 3, 3, 3, 3, 3, 0, 0, 3, 3, 0, 0];
    check(4, 3, &two, (2.0, 2_f64.sqrt(), 4.5_f64.powi(2)));
    // A ramp has no curvature.
    let ramp: Vec<u8> = (0..64).map(|i| (i % 8 * 10) as u8).collect();
    check(8, 8, &ramp, (35.0, 525_f64.sqrt(), 0.0));
    // A chessboard: ±4·255 in equal numbers.
    let board: Vec<u8> = (0..16)
        .map(|i| if (i + i / 4) % 2 == 0 { 255 } else { 0 })
        .collect();
    check(4, 4, &board, (127.5, 127.5, 1020_f64.powi(2)));
    // The same board on 128 x 128 pixels: each cell holds two of either, so the thumbnail is even.
    let fine: Vec<u8> = (0..128 * 128)
        .map(|i| if (i + i / 128) % 2 == 0 { 255 } else { 0 })
        .collect();
    check(128, 128, &fine, (127.5, 127.5, 0.0));
}

#[test]
fn channels_stand_in_the_networks_order_and_luma_is_the_same() {
    let rgb = of(Color::Rgb, 2, 1, &[255, 0, 0, 255, 10, 20]);
    assert_eq!(rgb.channel_means, Some([255.0, 5.0, 10.0]));
    near(rgb.luma_mean, (76.0 + 84.0) / 2.0);
    let bgr = of(Color::Bgr, 2, 1, &[0, 0, 255, 20, 10, 255]);
    assert_eq!(bgr.channel_means, Some([10.0, 5.0, 255.0]));
    assert_eq!((rgb.luma_mean, rgb.luma_std), (bgr.luma_mean, bgr.luma_std));
}

#[test]
fn names_are_the_manifests() {
    let names = |statistics: Statistics| statistics.named().map(|(name, _)| name).collect();
    let gray: Vec<&str> = names(of(Color::Gray, 1, 1, &[0]));
    assert_eq!(
        gray,
        [
            "luma_mean",
            "luma_std",
            "laplacian_variance",
            "width",
            "height"
        ]
    );
    let colour: Vec<&str> = names(of(Color::Rgb, 1, 1, &[0; 3]));
    assert_eq!(
        colour[5..],
        ["channel_mean_0", "channel_mean_1", "channel_mean_2"]
    );
}

/// Why the network's pixels are measured: how much of a JPEG was decoded, and by whom, hardly shows in them.
#[test]
fn a_reduced_jpeg_measures_as_the_whole() {
    let measured = |limits: &Limits, transform: &Transform, name: &str| {
        let picture = decode(&fixture(name), limits, transform).unwrap();
        let (width, height) = (picture.width(), picture.height());
        let decoded = of(Color::Rgb, width, height, picture.bytes());
        let size = picture.full_size();
        let pixels = transform.apply(picture);
        let found = Statistics::of(&pixels, transform, size, &mut Thumbnail::new());
        assert_eq!((found.width, found.height), (477, 355));
        (decoded, found)
    };
    let whole = Limits {
        jpeg_reduction: false,
        ..Limits::default()
    };
    for name in ["large.jpg", "large_progressive.jpg"] {
        let transform = target(Color::Rgb, 60, 44);
        let reduced = measured(&Limits::default(), &transform, name);
        let full = measured(&whole, &transform, name);
        assert!(reduced.0.width < full.0.width, "{name} was not reduced");
        let off = |of: fn(&Statistics) -> f64, reduced: &Statistics, full: &Statistics| {
            (of(reduced) / of(full) - 1.0).abs()
        };
        assert!(off(|s| s.luma_mean, &reduced.1, &full.1) < 0.005, "{name}");
        assert!(off(|s| s.luma_std, &reduced.1, &full.1) < 0.01, "{name}");
        let sharpness = |s: &Statistics| s.laplacian_variance;
        let (pixels, decoded) = (
            off(sharpness, &reduced.1, &full.1),
            off(sharpness, &reduced.0, &full.0),
        );
        assert!(
            pixels < 0.1 && decoded > 0.4,
            "{name}: {pixels}, decoded {decoded}"
        );
    }
}

/// Room that other pictures have used measures as fresh room does.
#[test]
fn room_is_used_again() {
    let mut thumbnail = Thumbnail::new();
    for name in fixtures(&[".png", ".jpg"]) {
        for transform in [target(Color::Gray, 90, 70), target(Color::Bgr, 5, 33)] {
            let Ok(picture) = decode(&fixture(&name), &Limits::default(), &transform) else {
                continue; // broken on purpose
            };
            let size = picture.full_size();
            let pixels = transform.apply(picture);
            let again = Statistics::of(&pixels, &transform, size, &mut thumbnail);
            let fresh = Statistics::of(&pixels, &transform, size, &mut Thumbnail::new());
            assert_eq!(again, fresh, "{name}");
        }
    }
}

/// The documented formulas, cell by cell and pixel by pixel.
fn slowly(width: usize, height: usize, luma: &[f64]) -> (f64, f64, f64) {
    let moments = |values: &[f64]| {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        (mean, variance)
    };
    let (columns, rows) = (width.min(64), height.min(64));
    let mut cells = vec![Vec::new(); columns * rows];
    for (at, value) in luma.iter().enumerate() {
        let (x, y) = (at % width, at / width);
        cells[y * rows / height * columns + x * columns / width].push(*value);
    }
    let cells: Vec<f64> = cells.iter().map(|cell| moments(cell).0).collect();
    let mut laplacians = Vec::new();
    for y in 1..rows.saturating_sub(1) {
        for x in 1..columns.saturating_sub(1) {
            let cell = |x: usize, y: usize| cells[y * columns + x];
            let around = cell(x - 1, y) + cell(x + 1, y) + cell(x, y - 1) + cell(x, y + 1);
            laplacians.push(around - 4.0 * cell(x, y));
        }
    }
    let (mean, variance) = moments(luma);
    (mean, variance.sqrt(), moments(&laplacians).1)
}

prop_compose! {
    /// Noise of any strength on any size, up to more than two pixels a cell.
    fn picture()(width in 1_u32..150, height in 1_u32..150)
        (bytes in prop::collection::vec(any::<u8>(), (width * height) as usize), width in Just(width), height in Just(height))
        -> (u32, u32, Vec<u8>) { (width, height, bytes) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fast_way_is_the_formula((width, height, bytes) in picture()) {
        let found = of(Color::Gray, width, height, &bytes);
        let luma: Vec<f64> = bytes.iter().map(|byte| f64::from(*byte)).collect();
        let (mean, std, variance) = slowly(width as usize, height as usize, &luma);
        near(found.luma_mean, mean);
        near(found.luma_std, std);
        prop_assert!((found.laplacian_variance - variance).abs() <= 1e-4 * variance.max(1.0));
        prop_assert!(found.named().all(|(_, value)| value.is_finite() && value >= 0.0));
    }

    /// Brighter is not sharper: what is added to every pixel moves the mean alone.
    #[test]
    fn brightness_moves_the_mean_alone((width, height, bytes) in picture(), brighter in 0_u8..=127) {
        let dark: Vec<u8> = bytes.iter().map(|byte| byte / 2).collect();
        let bright: Vec<u8> = dark.iter().map(|byte| byte + brighter).collect();
        let (dark, bright) = (of(Color::Gray, width, height, &dark), of(Color::Gray, width, height, &bright));
        near(bright.luma_mean - dark.luma_mean, brighter.into());
        near(bright.luma_std, dark.luma_std);
        prop_assert!((bright.laplacian_variance - dark.laplacian_variance).abs() <= 1e-3 * dark.laplacian_variance.max(1.0));
    }

    /// Gray shown to a network that reads colour has the same luma.
    #[test]
    fn gray_in_three_channels_is_gray((width, height, bytes) in picture()) {
        let tripled: Vec<u8> = bytes.iter().flat_map(|byte| [*byte; 3]).collect();
        let gray = of(Color::Gray, width, height, &bytes);
        for color in [Color::Rgb, Color::Bgr] {
            let found = of(color, width, height, &tripled);
            prop_assert_eq!(found.channel_means, Some([gray.luma_mean; 3]));
            prop_assert_eq!(Statistics { channel_means: None, ..found }, gray);
        }
    }
}
