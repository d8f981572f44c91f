//! Golden pictures: the caller's files, or generated ones if there are none.

use std::collections::HashSet;

use bytes::Bytes;

use stillhouse_image::{Color, Transform};

/// Gives each file a unique name that is valid in a version: `My Cat.jpeg` → `My-Cat`, the second one `My-Cat-2`.
pub fn named(files: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    let mut taken = HashSet::new();
    let name = |file: String| {
        let stem = file
            .rsplit_once('.')
            .map_or(file.as_str(), |(stem, _)| stem);
        let plain = stem.replace(
            |c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c),
            "-",
        );
        let plain: String = plain.trim_start_matches('-').chars().take(100).collect();
        let plain = if plain.is_empty() {
            "picture".into()
        } else {
            plain
        };
        let numbered = (2..).map(|n| format!("{plain}-{n}"));
        let free = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|name| taken.insert(name.clone()));
        free.unwrap_or_else(|| unreachable!("numbers don't end"))
    };
    let (names, bytes): (Vec<String>, Vec<Bytes>) = files.into_iter().unzip();
    names.into_iter().map(name).zip(bytes).collect()
}

/// Four generated pictures of the network's size, always the same. They aren't realistic, but sufficient to detect another
/// network, another transform or a damaged weight.
pub fn drawn(transform: &Transform) -> Vec<(String, Bytes)> {
    let (width, height) = (transform.width, transform.height);
    let mut noise = 0x5711_1105_u64;
    let draw = |name: &str, paint: &mut dyn FnMut(u32, u32, u32) -> u8| {
        let channels = transform.color.channels() as u32;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let bytes: Vec<u8> = pixels
            .flat_map(|(x, y)| (0..channels).map(move |c| (x, y, c)))
            .map(|(x, y, c)| paint(x, y, c))
            .collect();
        (name.to_owned(), png(width, height, transform.color, &bytes))
    };
    let ramp = |at: u32, length: u32| (at * 255 / length.max(2).saturating_sub(1)).min(255);
    vec![
        draw("drawn-ramp", &mut |x, y, c| match c {
            0 => ramp(x, width) as u8,
            1 => ramp(y, height) as u8,
            _ => 255 - ramp(x, width) as u8,
        }),
        draw("drawn-squares", &mut |x, y, c| {
            let side = (width.min(height) / 8).max(1);
            if (x / side + y / side + c).is_multiple_of(2) {
                230
            } else {
                25
            }
        }),
        draw("drawn-disc", &mut |x, y, c| {
            // Twice the distance from the centre, so that it is a whole number.
            let (dx, dy) = ((2 * x + 1).abs_diff(width), (2 * y + 1).abs_diff(height));
            let inside = dx * dx + dy * dy < (width.min(height) * 2 / 3).pow(2);
            if inside {
                240 - 90 * c as u8
            } else {
                10 + 40 * c as u8
            }
        }),
        draw("drawn-noise", &mut |_, _, _| {
            // xorshift64 (Marsaglia 2003).
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            (noise >> 56) as u8
        }),
    ]
}

fn png(width: u32, height: u32, color: Color, bytes: &[u8]) -> Bytes {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(if color == Color::Gray {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(bytes));
    written.unwrap_or_else(|error| unreachable!("a picture is written to memory: {error}"));
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillhouse_image::{self as image, Limits};

    #[test]
    fn names_are_safe_and_distinct() {
        let names = [
            "cat.png",
            "dir/My Cat.jpeg",
            "cat.jpg",
            "../../x.png",
            ".png",
            "кот.png",
            "a.b.png",
        ];
        let files = names.map(|name| (name.to_owned(), Bytes::new()));
        let names: Vec<String> = named(files.into())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                "cat",
                "dir-My-Cat",
                "cat-2",
                "x",
                "picture",
                "picture-2",
                "a-b"
            ]
        );
    }

    #[test]
    fn drawn_pictures_are_decoded_as_drawn_whatever_the_size() {
        for (color, width, height) in [
            (Color::Gray, 28, 28),
            (Color::Rgb, 31, 7),
            (Color::Bgr, 1, 1),
            (Color::Gray, 1, 64),
        ] {
            let transform = Transform::plain(color, width, height);
            let drawn = drawn(&transform);
            assert_eq!(drawn, super::drawn(&transform), "the same again");
            for (name, file) in &drawn {
                let picture = image::decode(file, &Limits::default(), &transform).unwrap();
                assert_eq!(
                    (picture.width(), picture.height()),
                    (width, height),
                    "{name}"
                );
            }
            let contents: HashSet<&Bytes> = drawn.iter().map(|(_, file)| file).collect();
            assert!(
                contents.len() == drawn.len() || width == 1,
                "{color:?}: pictures repeat"
            );
        }
    }
}
