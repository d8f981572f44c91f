//! The idx format of MNIST and its relatives, plain or gzipped.

use std::{io::Read, path::Path};

use flate2::read::GzDecoder;

use super::ImportError;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Its sides, e.g. pictures, rows, columns.
    pub dims: Vec<usize>,
    /// As many as the product of the sides.
    pub bytes: Vec<u8>,
}

impl Idx {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that can't be read, or that doesn't match its header.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let content = |detail: String| ImportError::Content {
            path: path.display().to_string(),
            detail,
        };
        let raw = std::fs::read(path).map_err(|error| content(error.to_string()))?;
        Self::parse(raw).map_err(|detail| content(format!("no idx file of bytes: {detail}")))
    }

    /// Two zeros, 8 for unsigned bytes, the number of sides, each side as a big-endian u32, then the bytes.
    fn parse(raw: Vec<u8>) -> Result<Self, String> {
        let mut bytes = raw;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            let unzipped = GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
            unzipped.map_err(|error| format!("gunzipping it: {error}"))?;
            bytes = plain;
        }
        let [0, 0, 8, rank, rest @ ..] = bytes.as_slice() else {
            return Err("it doesn't begin with 0, 0, 8 and the number of its sides".into());
        };
        let (dims, _) = rest.as_chunks::<4>();
        let dims = dims.get(..usize::from(*rank));
        let dims: Vec<usize> = dims
            .ok_or("it ends within its header")?
            .iter()
            .map(|dim| u32::from_be_bytes(*dim) as usize)
            .collect();
        let header = 4 + 4 * dims.len();
        let found = bytes.len() - header;
        let expected = dims
            .iter()
            .try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        if expected != Some(found) {
            return Err(format!(
                "its header promises {dims:?} bytes, but {found} follow"
            ));
        }
        bytes.drain(..header);
        Ok(Self { dims, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const TWO_PIXELS: [u8; 18] = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9];

    #[test]
    fn plain_and_gzipped_are_the_same() {
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(&TWO_PIXELS).unwrap();
        let expected = Ok(Idx {
            dims: vec![1, 1, 2],
            bytes: vec![7, 9],
        });
        assert_eq!(Idx::parse(TWO_PIXELS.to_vec()), expected);
        assert_eq!(Idx::parse(zip.finish().unwrap()), expected);
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Idx::parse(bytes.to_vec()).unwrap_err();
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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), rank in any::<u8>()) {
            let _ = Idx::parse(bytes.clone());
            let _ = Idx::parse([&[0, 0, 8, rank], &bytes[..]].concat());
        }
    }
}
