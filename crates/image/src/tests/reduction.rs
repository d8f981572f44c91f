//! JPEGs decoded at a fraction of their size.

use super::{difference, fixture, target};
use crate::{Color, Filter, Limits, Resize, Transform, decode};

fn full() -> Limits {
    Limits {
        jpeg_reduction: false,
        ..Limits::default()
    }
}

/// Decoded sizes of the 477 x 355 JPEG: twice what the resize needs, or more, in both directions.
#[test]
fn no_more_pixels_than_the_resize_needs_twice() {
    let check = |transform: Transform, expected: (u32, u32)| {
        for name in ["large.jpg", "large_progressive.jpg"] {
            let picture = decode(&fixture(name), &Limits::default(), &transform).unwrap();
            assert_eq!(
                (picture.width(), picture.height()),
                expected,
                "{name} for {transform:?}"
            );
            let picture = decode(&fixture(name), &full(), &transform).unwrap();
            assert_eq!((picture.width(), picture.height()), (477, 355));
        }
    };
    check(target(Color::Rgb, 30, 22), (60, 45));
    check(target(Color::Rgb, 30, 23), (120, 89));
    // Luma alone is reduced only where that is faster.
    let gray = if cfg!(feature = "turbojpeg") {
        (120, 89)
    } else {
        (477, 355)
    };
    check(target(Color::Gray, 28, 28), gray);
    check(target(Color::Rgb, 119, 89), (239, 178));
    check(target(Color::Rgb, 119, 90), (477, 355));
    let square = target(Color::Rgb, 64, 64);
    let crop = |resize_to| Transform {
        resize: Resize::Crop,
        resize_to: Some(resize_to),
        ..square.clone()
    };
    check(crop(89), (239, 178));
    check(crop(90), (477, 355));
    let pad = Transform {
        resize: Resize::FitPad,
        ..square.clone()
    };
    check(pad, (239, 178));
    let nearest = Transform {
        filter: Filter::Nearest,
        ..square
    };
    check(nearest, (477, 355));
}

/// What it costs in accuracy, on a picture with hard edges and noise.
#[test]
fn the_networks_pixels_hardly_change() {
    for name in ["large.jpg", "large_progressive.jpg"] {
        for color in [Color::Rgb, Color::Gray] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let transform = Transform {
                    filter,
                    ..target(color, 96, 72)
                };
                let pixels = |limits| {
                    let picture = decode(&fixture(name), &limits, &transform).unwrap();
                    transform.apply(picture)
                };
                let (mean, most) =
                    difference(pixels(Limits::default()).bytes(), pixels(full()).bytes());
                assert!(
                    mean < 0.6 && most < 16,
                    "{name} as {color:?}, {filter:?}: {mean:.3} on average, {most} at most"
                );
            }
        }
    }
}

/// 37 x 23 at an eighth is 5 x 3, of which the picture fills 4.625 x 2.875: wherever the missing part lies after
/// turning, the network sees the same picture, turned.
#[test]
fn a_reduced_picture_keeps_its_edges_in_every_orientation() {
    use crate::{Picture, exif::Orientation};
    let orientations = [
        Orientation::Upright,
        Orientation::MirrorX,
        Orientation::Rotate180,
        Orientation::MirrorY,
        Orientation::Transpose,
        Orientation::Rotate90,
        Orientation::Transverse,
        Orientation::Rotate270,
    ];
    // A ramp that would be seen shifted: each reduced pixel has the value of its centre.
    let ramp = |columns: u32, rows: u32| -> Vec<u8> {
        (0..rows)
            .flat_map(|y| (0..columns).map(move |x| (20 * x + 30 * y + 10) as u8))
            .collect()
    };
    let network = target(Color::Gray, 2, 2);
    for orientation in orientations {
        let reduced = Picture::of(5, 3, Color::Gray, ramp(5, 3)).reduced_from((37, 23), 8);
        let seen = network.apply(reduced.clone());
        let square = Picture::of(2, 2, Color::Gray, seen.bytes().to_vec()).upright(orientation);
        let turned = network.apply(reduced.upright(orientation));
        let (_, most) = difference(turned.bytes(), square.bytes());
        assert!(
            most <= 1,
            "{orientation:?}: {:?} for {:?}",
            turned.bytes(),
            square.bytes()
        );
    }
}
