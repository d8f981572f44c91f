//! The labels of validation pictures: a text file with one a line, names or numbers, or an idx file as MNIST has it.

use std::path::Path;

use stillhouse_store::Labels;

use super::{ImportError, idx::Idx, outputs::Outputs};

/// The right class of each picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth(Vec<usize>);

impl Truth {
    /// Reads a file; the names in it must be among `labels`.
    ///
    /// # Errors
    /// A file that can't be read, or a line that is neither a label nor the number of one.
    pub fn read(path: &Path, labels: &Labels) -> Result<Self, ImportError> {
        let content = |detail: String| ImportError::Content {
            path: path.display().to_string(),
            detail,
        };
        let bytes = std::fs::read(path).map_err(|error| content(error.to_string()))?;
        let classes = labels.len();
        if bytes.starts_with(&[0, 0]) || bytes.starts_with(&[0x1f, 0x8b]) {
            let Idx { dims, bytes } = Idx::read(path)?;
            if dims.len() != 1 {
                let detail =
                    format!("its sides are {dims:?}; one, the number of labels, belongs there");
                return Err(content(detail));
            }
            let right: Vec<usize> = bytes.into_iter().map(usize::from).collect();
            return match right.iter().find(|class| **class >= classes) {
                Some(class) => Err(content(format!("{class} is no class: there are {classes}"))),
                None => Ok(Self(right)),
            };
        }
        let text = String::from_utf8(bytes).map_err(|error| content(error.to_string()))?;
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty());
        let class = |(number, line): (usize, &str)| {
            // A label may itself be a number, as a digit's is.
            let named = (0..classes).find(|class| labels[*class] == line);
            let numbered = || line.parse().ok().filter(|class| *class < classes);
            named.or_else(numbered).ok_or_else(|| {
                content(format!(
                    "line {}: `{}` is neither a label nor a class below {classes}",
                    number + 1,
                    line.chars().take(60).collect::<String>()
                ))
            })
        };
        Ok(Self(lines.map(class).collect::<Result<_, _>>()?))
    }

    /// How many pictures have a label.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part of all pictures whose largest output is at their class.
    pub fn accuracy(&self, outputs: &Outputs) -> f64 {
        let rows = outputs.rows().zip(&self.0);
        let right = rows.filter(|(row, class)| super::proof::top(row) == **class);
        right.count() as f64 / outputs.rows().len().max(1) as f64
    }

    /// The same of these pictures alone, with their outputs.
    pub(super) fn share(&self, pictures: &[usize], outputs: &[Vec<f32>]) -> f64 {
        let rows = pictures.iter().zip(outputs);
        let right = rows.filter(|(index, row)| super::proof::top(row) == self.0[**index]);
        right.count() as f64 / pictures.len().max(1) as f64
    }
}
