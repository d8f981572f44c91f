//! What tests and benchmarks of several crates make: pictures, and a disk that can be full. Panics where a caller is wrong:
//! never for the server itself.

mod small_disk;

pub use small_disk::SmallDisk;

pub use png::ColorType;

/// A square gray PNG of one luma.
///
/// # Panics
/// `side` is 0.
pub fn gray_png(side: u32, luma: u8) -> Vec<u8> {
    let samples = vec![luma; (side * side) as usize];
    png(side, side, ColorType::Grayscale, &samples)
}

/// A PNG of 8 bits a sample.
///
/// # Panics
/// `width` or `height` is 0, or the samples are fewer or more than the picture has.
pub fn png(width: u32, height: u32, color: ColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(samples))
        .expect("a picture");
    bytes
}
