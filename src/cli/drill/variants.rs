//! Many variants of a few pictures: moved, mirrored, darker and brighter. The judge counts each picture once a minute,
//! so it needs many; and a good student still recognises them.

use std::io::Cursor;

use anyhow::{Context, ensure};

/// Pixels by which a picture is moved at most, in each direction.
const REACH: i32 = 3;

/// Brightness, and whether it is mirrored.
const LIGHTS: [(f32, bool); 5] = [
    (1.0, false),
    (1.0, true),
    (0.8, false),
    (0.9, true),
    (1.1, false),
];

/// A gray picture, decoded.
struct Gray {
    width: i32,
    height: i32,
    pixels: Vec<u8>,
}

/// Every variant of every picture. A picture's variants are spread out, so that any few hundred contain all pictures.
pub(super) fn of(pictures: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
    let grays: Vec<Gray> = pictures
        .iter()
        .map(|bytes| decode(bytes))
        .collect::<Result<_, _>>()?;
    let mut variants = Vec::new();
    for light in LIGHTS {
        for down in -REACH..=REACH {
            for right in -REACH..=REACH {
                for gray in &grays {
                    variants.push(encode(gray, [right, down], light)?);
                }
            }
        }
    }
    Ok(variants)
}

fn decode(bytes: &[u8]) -> anyhow::Result<Gray> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    let size = reader
        .output_buffer_size()
        .context("a picture of sane size")?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels)?;
    ensure!(
        info.color_type == png::ColorType::Grayscale && info.bit_depth == png::BitDepth::Eight,
        "the drill's pictures are gray, with 8 bits a pixel"
    );
    Ok(Gray {
        width: info.width as i32,
        height: info.height as i32,
        pixels,
    })
}

fn encode(
    gray: &Gray,
    [right, down]: [i32; 2],
    (light, mirrored): (f32, bool),
) -> anyhow::Result<Vec<u8>> {
    let pixel = |place: i32| {
        let (x, y) = (place % gray.width - right, place / gray.width - down);
        let x = if mirrored { gray.width - 1 - x } else { x };
        let inside = (0..gray.width).contains(&x) && (0..gray.height).contains(&y);
        let shown = inside.then(|| gray.pixels[(y * gray.width + x) as usize]);
        (f32::from(shown.unwrap_or(0)) * light).min(255.0) as u8
    };
    let pixels: Vec<u8> = (0..gray.width * gray.height).map(pixel).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, gray.width as u32, gray.height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_like_another() {
        let gray = Gray {
            width: 8,
            height: 8,
            pixels: (0..64).map(|place| 50 + place).collect(),
        };
        let picture = encode(&gray, [0, 0], (1.0, false)).expect("a picture");
        let mut variants = of(std::slice::from_ref(&picture)).expect("variants");
        assert!(variants.contains(&picture));
        let count = variants.len();
        assert_eq!(count, 5 * 49);
        variants.sort();
        variants.dedup();
        assert_eq!(variants.len(), count);
    }
}
