//! The idx format of MNIST and its relatives, plain or gzipped.

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::{fs, io::Read, path::Path};
use stillhouse::image::{Color, Transform};

use super::Dataset;

/// Reads pictures from one idx file and labels from another.
pub(super) fn read(path: &Path, labels: Option<&Path>, transform: &Transform) -> Result<Dataset> {
    ensure!(
        transform.color == Color::Gray,
        "{}: idx pictures are gray, so transform.color must be",
        path.display()
    );
    let (dims, pixels) = load(path)?;
    ensure!(
        dims.len() == 3,
        "{}: {} dimensions, but pictures have 3",
        path.display(),
        dims.len()
    );
    ensure!(
        dims[1] == transform.height as usize && dims[2] == transform.width as usize,
        "{}: pictures of {}×{}, but the transform says {}×{} and idx pictures are not resized",
        path.display(),
        dims[2],
        dims[1],
        transform.width,
        transform.height
    );
    let labels = labels
        .map(|path| {
            let (dims, bytes) = load(path)?;
            ensure!(
                dims.len() == 1,
                "{}: {} dimensions, but labels have 1",
                path.display(),
                dims.len()
            );
            Ok(bytes)
        })
        .transpose()?;
    Ok(Dataset {
        pixels,
        row_len: dims[1] * dims[2],
        labels,
    })
}

/// The dimensions and bytes of an idx file: two zeros, 8 for unsigned bytes, the number of dimensions, each as a
/// big-endian u32, then the bytes.
fn load(path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let raw = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    parse(raw).with_context(|| format!("{} is no idx file of bytes", path.display()))
}

fn parse(raw: Vec<u8>) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut bytes = raw;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .context("gunzipping")?;
        bytes = plain;
    }
    ensure!(
        bytes.len() >= 4 && bytes[..3] == [0, 0, 8],
        "it doesn't begin with 0, 0, 8"
    );
    let rank = usize::from(bytes[3]);
    let header = 4 + 4 * rank;
    ensure!(bytes.len() >= header, "it ends within its header");
    let dims: Vec<usize> = bytes[4..header]
        .chunks_exact(4)
        .map(|dim| u32::from_be_bytes([dim[0], dim[1], dim[2], dim[3]]) as usize)
        .collect();
    let expected = dims
        .iter()
        .try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let found = bytes.len() - header;
    ensure!(
        expected == Some(found),
        "its header promises {dims:?} bytes, but {found} follow"
    );
    bytes.drain(..header);
    Ok((dims, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    const TWO_PIXELS: [u8; 18] = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9];

    #[test]
    fn plain_and_gzipped_are_the_same() {
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(&TWO_PIXELS).unwrap();
        let expected = (vec![1, 1, 2], vec![7, 9]);
        assert_eq!(parse(TWO_PIXELS.to_vec()).unwrap(), expected);
        assert_eq!(parse(zip.finish().unwrap()).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused() {
        let check = |bytes: &[u8], expected: &str| {
            let error = format!("{:#}", parse(bytes.to_vec()).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "begin");
        check(b"\x89PNG....", "begin");
        check(&TWO_PIXELS[..9], "header");
        check(&TWO_PIXELS[..17], "but 1 follow");
        check(&[0x1f, 0x8b, 8, 0], "gunzipping");
        check(
            &[0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255],
            "promises",
        );
    }
}
