//! Pillow's own test pictures, where `scripts/pillow_corpus.py` has fetched them.

use std::path::{Path, PathBuf};

use super::try_full;
use crate::{Color, ImageError, Picture};

/// Where we do otherwise than Pillow, and why.
const OTHERWISE: [(&str, &str); 6] = [
    (
        "hopper_bad_exif.jpg",
        "its coded data is damaged: brightness drifts from stripe to stripe",
    ),
    (
        "exif_imagemagick_orientation.png",
        "an orientation in text, which only Pillow obeys",
    ),
    (
        "xmp_tags_orientation.png",
        "an orientation in XMP, which browsers and libvips don't obey",
    ),
    ("xmp_tags_orientation_exiftool.png", "the same"),
    (
        "png_decompression_dos.png",
        "texts that inflate to gigabytes, which nobody inflates here",
    ),
    (
        "unknown_compression_method.png",
        "a text that can't be inflated",
    ),
];

/// Pixels as [`super::super::expected`] reads them, of another folder.
fn ppm(path: &Path) -> Option<(u32, u32, Vec<u8>)> {
    let file = std::fs::read(path).ok()?;
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let mut words = str::from_utf8(&file[..end]).ok()?.split(' ').skip(1);
    let (width, height) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((width, height, file[end + 1..].to_vec()))
}

/// The same pixels within 3, or a refusal that is listed; never a picture where Pillow has none.
#[test]
fn pillow_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pillow");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no target/pillow (scripts/pillow_corpus.py fetches it)");
        return;
    };
    let mut pictures: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    pictures.retain(|path| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["jpg", "jpeg", "png", "webp"]
            .iter()
            .any(|known| extension == *known)
    });
    pictures.sort();
    let (mut same, mut wrong) = (0, Vec::new());
    for path in pictures {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let expected = ppm(&folder.join(format!("{name}.ppm")));
        match (try_full(&std::fs::read(&path).unwrap()), expected) {
            _ if OTHERWISE.iter().any(|(known, _)| *known == name) => {}
            (Ok(found), Some(expected)) => match greatest_difference(&found, &expected) {
                Some(0..=3) => same += 1,
                difference => wrong.push(format!("{name}: differs by {difference:?}")),
            },
            (Ok(_), None) => wrong.push(format!("{name}: a picture, where Pillow has none")),
            // Animations of several frames and the like are refused by name.
            (Err(ImageError::Unsupported { .. }), _) | (Err(_), None) => {}
            (Err(error), Some(_)) => wrong.push(format!("{name}: {error}")),
        }
    }
    println!("{same} pictures as Pillow has them");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of two samples; none where the sizes differ.
fn greatest_difference(
    found: &Picture,
    (width, height, pixels): &(u32, u32, Vec<u8>),
) -> Option<u8> {
    let rgb: Vec<u8> = match found.color() {
        Color::Gray => found.bytes().iter().flat_map(|gray| [*gray; 3]).collect(),
        _ => found.bytes().to_vec(),
    };
    let is_same_size = (found.width(), found.height()) == (*width, *height);
    is_same_size.then(|| rgb.iter().zip(pixels).map(|(a, b)| a.abs_diff(*b)).max())?
}
