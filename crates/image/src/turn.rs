//! Turning a stored picture upright.

use super::exif::Orientation;

/// Rearranges the pixels, `N` bytes each, of a `width` x `height` picture.
pub(super) fn turn<const N: usize>(
    mut bytes: Vec<u8>,
    width: u32,
    height: u32,
    orientation: Orientation,
) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let pixels = bytes.as_chunks_mut::<N>().0;
    match orientation {
        Orientation::Upright => {}
        Orientation::Rotate180 => pixels.reverse(),
        Orientation::MirrorX => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
        Orientation::MirrorY => {
            let (top, rest) = pixels.split_at_mut(height / 2 * width);
            let bottom = rest.rchunks_exact_mut(width);
            top.chunks_exact_mut(width)
                .zip(bottom)
                .for_each(|(a, b)| a.swap_with_slice(b));
        }
        Orientation::Transpose
        | Orientation::Rotate90
        | Orientation::Transverse
        | Orientation::Rotate270 => {
            return transpose::<N>(&bytes, width, height, orientation.mirrors_stored());
        }
    }
    bytes
}

/// Rows become columns: output pixel (x, y) is input pixel (y, x), after mirroring. Goes by tiles, because one of the two sides is always read or written across the rows.
fn transpose<const N: usize>(
    bytes: &[u8],
    width: usize,
    height: usize,
    (mirrored_x, mirrored_y): (bool, bool),
) -> Vec<u8> {
    const TILE: usize = 32;
    let input = bytes.as_chunks::<N>().0;
    let mut out = vec![0; bytes.len()];
    let output = out.as_chunks_mut::<N>().0;
    let flip = |flipped: bool, at: usize, len: usize| if flipped { len - 1 - at } else { at };
    for tile_y in (0..height).step_by(TILE) {
        for tile_x in (0..width).step_by(TILE) {
            for y in tile_y..height.min(tile_y + TILE) {
                let to_column = flip(mirrored_y, y, height);
                for x in tile_x..width.min(tile_x + TILE) {
                    let to_row = flip(mirrored_x, x, width);
                    output[to_row * height + to_column] = input[y * width + x];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, Picture};

    /// 3 x 2: `1 2 3 / 4 5 6`, and what each orientation makes of it by the EXIF standard.
    #[test]
    fn orientations() {
        let cases: [(Orientation, u32, &[u8]); 8] = [
            (Orientation::Upright, 3, &[1, 2, 3, 4, 5, 6]),
            (Orientation::MirrorX, 3, &[3, 2, 1, 6, 5, 4]),
            (Orientation::Rotate180, 3, &[6, 5, 4, 3, 2, 1]),
            (Orientation::MirrorY, 3, &[4, 5, 6, 1, 2, 3]),
            (Orientation::Transpose, 2, &[1, 4, 2, 5, 3, 6]),
            (Orientation::Rotate90, 2, &[4, 1, 5, 2, 6, 3]),
            (Orientation::Transverse, 2, &[6, 3, 5, 2, 4, 1]),
            (Orientation::Rotate270, 2, &[3, 6, 2, 5, 1, 4]),
        ];
        for (orientation, width, expected) in cases {
            let gray = Picture::of(3, 2, Color::Gray, vec![1, 2, 3, 4, 5, 6]);
            let turned = gray.upright(orientation);
            assert_eq!((turned.width(), turned.height()), (width, 6 / width));
            assert_eq!(turned.bytes(), expected, "{orientation:?}");

            let rgb = (1..=6).flat_map(|v| [v, v + 10, v + 20]).collect();
            let turned = Picture::of(3, 2, Color::Rgb, rgb).upright(orientation);
            let expected: Vec<u8> = expected.iter().flat_map(|v| [*v, v + 10, v + 20]).collect();
            assert_eq!(turned.bytes(), expected, "{orientation:?} in colour");
        }
    }

    #[test]
    fn a_mirrored_picture_of_odd_height_keeps_its_middle_row() {
        let picture = Picture::of(1, 3, Color::Gray, vec![1, 2, 3]).upright(Orientation::MirrorY);
        assert_eq!(picture.bytes(), [3, 2, 1]);
    }
}
