//! Files of validation outputs, one row per picture: NumPy's `.npy`, `.json` (a list of lists), `.csv` without a header.

use std::path::Path;

use super::ImportError;

/// A matrix of raw outputs, `[rows, classes]`, all finite, at least one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    classes: usize,
    values: Vec<f32>,
}

impl Outputs {
    /// A matrix from rows.
    ///
    /// # Errors
    /// No rows, rows of different lengths, values that are not finite.
    pub fn new(rows: Vec<Vec<f32>>) -> Result<Self, String> {
        let classes = rows.first().map_or(0, Vec::len);
        if let Some(row) = rows.iter().position(|row| row.len() != classes) {
            return Err(format!(
                "row {row} has {} numbers, row 0 has {classes}",
                rows[row].len()
            ));
        }
        Self::flat(classes, rows.into_iter().flatten().collect())
    }

    fn flat(classes: usize, values: Vec<f32>) -> Result<Self, String> {
        if classes < 2 || values.is_empty() {
            return Err("at least one row with two numbers or more belongs here".into());
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!(
                "row {} has a number that is not finite",
                at / classes
            ));
        }
        Ok(Self { classes, values })
    }

    /// Reads a file; its extension gives the format.
    ///
    /// # Errors
    /// A file that can't be read, of another kind, or of another shape than `[pictures, classes]`.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let content = |detail: String| ImportError::Content {
            path: path.display().to_string(),
            detail,
        };
        let bytes = std::fs::read(path).map_err(|error| content(error.to_string()))?;
        let outputs = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => npy(&bytes),
            Some("json") => serde_json::from_slice(&bytes)
                .map_err(|error| format!("no list of lists of numbers: {error}"))
                .and_then(Self::new),
            Some("csv") => csv(&bytes),
            _ => Err("a name that ends in .npy, .json or .csv belongs here".into()),
        };
        outputs.map_err(content)
    }

    /// The rows, one per picture.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes)
    }

    /// Numbers per row.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

fn csv(bytes: &[u8]) -> Result<Outputs, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let number = |line: usize, field: &str| {
        field
            .trim()
            .parse()
            .map_err(|_| format!("line {}: `{}` is no number", line + 1, field.trim()))
    };
    let rows = lines.map(|(line, text)| text.split(',').map(|field| number(line, field)).collect());
    Outputs::new(rows.collect::<Result<_, String>>()?)
}

/// NumPy's format, versions 1 to 3: magic, version, length of the header, a Python dictionary, the numbers.
fn npy(bytes: &[u8]) -> Result<Outputs, String> {
    let wrong = || "not NumPy's format".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(wrong)?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (u32::from_le_bytes([*a, *b, 0, 0]), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        _ => return Err(wrong()),
    };
    let (header, numbers) = rest.split_at_checked(length as usize).ok_or_else(wrong)?;
    let header = std::str::from_utf8(header)
        .map_err(|_| wrong())?
        .replace(char::is_whitespace, "");
    let between = |from: &str, to: char| {
        header
            .split_once(from)
            .and_then(|(_, rest)| rest.split_once(to))
            .map(|(value, _)| value)
    };
    let shape = between("'shape':(", ')').ok_or_else(wrong)?;
    let sides: Vec<usize> = shape
        .split(',')
        .filter(|side| !side.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())?;
    let &[rows, classes] = &sides[..] else {
        return Err(format!(
            "its shape is ({shape}), [pictures, classes] belongs here"
        ));
    };
    if between("'fortran_order':", ',') != Some("False") {
        return Err("its order is Fortran's: save np.ascontiguousarray(...)".into());
    }
    let values: Vec<f32> = match between("'descr':'", '\'') {
        Some("<f4") => numbers
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect(),
        Some("<f8") => numbers
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes) as f32)
            .collect(),
        other => {
            return Err(format!(
                "its type is {}, <f4 or <f8 belongs here: save x.astype(\"float32\")",
                other.unwrap_or("unknown")
            ));
        }
    };
    if rows.checked_mul(classes) != Some(values.len()) {
        return Err(format!(
            "it has {} numbers, ({shape}) are announced",
            values.len()
        ));
    }
    Outputs::flat(classes, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `np.save` writes it.
    fn saved(descr: &str, fortran: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), numbers].concat()
    }

    #[test]
    fn numpy_files_are_read() {
        let f32s: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let f64s: Vec<u8> = [1.0_f64, 2.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let read = npy(&saved("<f4", "False", "2, 3", &f32s)).unwrap();
        assert_eq!(
            read.rows().collect::<Vec<_>>(),
            [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        );
        assert_eq!(
            npy(&saved("<f8", "False", "1, 2", &f64s)).unwrap().values,
            [1.0, 2.0]
        );
        for (file, expected) in [
            (
                saved("<f4", "True", "2, 3", &f32s),
                "its order is Fortran's: save np.ascontiguousarray(...)",
            ),
            (
                saved("<f4", "False", "6,", &f32s),
                "its shape is (6,), [pictures, classes] belongs here",
            ),
            (
                saved("<f4", "False", "3, 3", &f32s),
                "it has 6 numbers, (3,3) are announced",
            ),
            (
                saved("<f4", "False", "9999999999999, 9999999999999", &f32s),
                "it has 6 numbers, (9999999999999,9999999999999) are announced",
            ),
            (
                saved("<i8", "False", "1, 3", &f32s),
                "its type is <i8, <f4 or <f8 belongs here: save x.astype(\"float32\")",
            ),
            (
                saved("<f4", "False", "0, 3", &[]),
                "at least one row with two numbers or more belongs here",
            ),
            (b"PK\x03\x04".to_vec(), "not NumPy's format"),
            (b"\x93NUMPY\x01\0\xff\xff{".to_vec(), "not NumPy's format"),
        ] {
            assert_eq!(npy(&file).unwrap_err(), expected);
        }
        let nan: Vec<u8> = [1.0, f32::NAN]
            .iter()
            .flat_map(|x: &f32| x.to_le_bytes())
            .collect();
        assert_eq!(
            npy(&saved("<f4", "False", "1, 2", &nan)).unwrap_err(),
            "row 0 has a number that is not finite"
        );
    }

    #[test]
    fn text_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, text: &str, expected: Result<usize, &str>| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            match (Outputs::read(&path), expected) {
                (Ok(outputs), Ok(rows)) => assert_eq!(outputs.rows().len(), rows, "{text}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{text}: {error}")
                }
                (found, expected) => panic!("{text}: {found:?}, {expected:?}"),
            }
        };
        check("a.csv", "1,2.5, -3e2\n4,5,6\n", Ok(2));
        check("a.csv", "1,2\n\n", Ok(1));
        check("a.csv", "cat,dog\n1,2\n", Err("line 1: `cat` is no number"));
        check("a.csv", "1,2\n1\n", Err("row 1 has 1 numbers, row 0 has 2"));
        check(
            "a.csv",
            "1,inf\n",
            Err("row 0 has a number that is not finite"),
        );
        check("a.csv", "", Err("at least one row"));
        check("a.json", "[[1, 2], [3, 4]]", Ok(2));
        check("a.json", "[1, 2]", Err("no list of lists"));
        check("a.json", "[[1, 1e39]]", Err("not finite"));
        check("a.txt", "1,2", Err(".npy, .json or .csv"));
        assert!(Outputs::read(&folder.path().join("nowhere.csv")).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), header in "\\PC{0,60}") {
            let _ = npy(&bytes);
            let _ = npy(&[b"\x93NUMPY\x01\0", &bytes[..]].concat());
            let _ = npy(&[b"\x93NUMPY\x01\0\x10\0", header.as_bytes(), &bytes[..]].concat());
            let _ = csv(&bytes);
        }
    }
}
