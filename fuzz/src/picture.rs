//! Encoded pictures: JPEG, PNG and WebP, and the EXIF block in which they carry their orientation.

use stillhouse_image::{Color, Format, Limits, Transform, decode, probe};

/// Small, so that inputs which only take long don't hide those that are wrong.
const MAX_PIXELS: u64 = 1 << 16;

/// A complete JPEG of 1 × 1 pixel.
const JPEG: &[u8] = include_bytes!("../corpus/jpeg/one_pixel_jpeg.jpg");

/// The first bytes of a JPEG.
pub(crate) fn jpeg(data: &[u8]) {
    of_format(data, Format::Jpeg);
}

/// The first bytes of a PNG.
pub(crate) fn png(data: &[u8]) {
    of_format(data, Format::Png);
}

/// The first bytes of a WebP.
pub(crate) fn webp(data: &[u8]) {
    of_format(data, Format::WebP);
}

/// `data` as the EXIF block of an otherwise correct JPEG.
pub(crate) fn exif(data: &[u8]) {
    const NAME: &[u8] = b"Exif\0\0";
    let Ok(length) = u16::try_from(2 + NAME.len() + data.len()) else {
        return;
    };
    let (start_of_image, rest) = JPEG.split_at(2);
    let segment = [&[0xff, 0xe1][..], &length.to_be_bytes()[..], NAME, data].concat();
    let file = [start_of_image, &segment, rest].concat();
    let header =
        probe(&file).expect("an EXIF block has no effect on whether a picture can be read");
    assert_eq!((header.width, header.height), (1, 1));
    both(&file);
}

/// Inputs of other formats belong to the other targets.
fn of_format(data: &[u8], format: Format) {
    if probe(data).is_ok_and(|header| header.format == format) {
        both(data);
    }
}

/// In its own colours, and in gray for a network so small that JPEGs are decoded at reduced size.
fn both(data: &[u8]) {
    for (color, side) in [(Color::Rgb, 64), (Color::Gray, 4)] {
        let limits = Limits {
            max_pixels: MAX_PIXELS,
            ..Limits::default()
        };
        let target = Transform::plain(color, side, side);
        let Ok(picture) = decode(data, &limits, &target) else {
            continue;
        };
        let header = probe(data).expect("was decoded");
        assert!(
            header.pixels() <= MAX_PIXELS,
            "{header:?} is over the limit"
        );
        // An orientation may have swapped the sides.
        let stored = [header.width, header.height];
        let (width, height) = picture.full_size();
        assert!(stored == [width, height] || stored == [height, width]);
        let channels = picture.color().channels();
        assert_eq!(
            picture.bytes().len(),
            picture.width() as usize * picture.height() as usize * channels
        );
        let pixels = target.apply(picture);
        assert_eq!(pixels.bytes().len(), target.row_len());
    }
}
