//! What a graph takes and gives.

use std::fmt;

/// One dimension of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number in the graph.
    Fixed(usize),
    /// A symbol, or nothing at all (then the name is `?`).
    Symbol(String),
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbol(name) => f.write_str(name),
        }
    }
}

/// The element type of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision; engines convert from and to f32.
    F16,
    /// Bytes, for networks that normalise pictures themselves; only inputs have it, and engines convert from f32.
    U8,
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
        })
    }
}

/// The function that a graph's scores come out of, where it is one that makes probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// One distribution over all classes.
    Softmax,
    /// One independent probability for each score.
    Sigmoid,
}

/// What the number is where a graph gives one number a row: the positive class of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleScore {
    /// Before a sigmoid: the engine answers the logits `[0, z]`, whose softmax is `[1 - sigmoid(z), sigmoid(z)]`.
    Logit,
    /// Behind it: the engine answers `[1 - p, p]`.
    Probability,
}

/// How many rows a graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// Any number.
    Dynamic,
    /// This many, no more and no fewer: engines loop over rows or pad.
    Fixed(usize),
}

/// A named tensor at the border of a graph; `dims` include the batch dimension, which is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// As the graph has it.
    pub name: String,
    /// `[N, ...]`.
    pub dims: Vec<Dim>,
    /// Element type.
    pub element: ElementType,
}

impl Port {
    /// The dimensions as people write them, e.g. `[N,1,28,28]`.
    pub fn shape(&self) -> String {
        let dims: Vec<String> = self.dims.iter().map(Dim::to_string).collect();
        format!("[{}]", dims.join(","))
    }
}

/// What a classifier's graph takes and gives: one image tensor in, one row of scores out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The input that is not an initializer.
    pub input: Port,
    /// The output that holds the scores.
    pub output: Port,
    /// Rows per run.
    pub batch: Batch,
    /// Numbers per input row: the product of the input's dimensions without the first.
    pub row_len: usize,
    /// Scores per row as engines answer them: two where the graph gives a [`SingleScore`].
    pub classes: usize,
    /// What the graph's one number a row is, where it gives no more.
    pub single_score: Option<SingleScore>,
    /// The version of the default operator set.
    pub opset: i64,
    /// What the scores come out of.
    pub activation: Option<Activation>,
}

impl Signature {
    /// Numbers that the graph itself gives for each row.
    pub fn width(&self) -> usize {
        match self.single_score {
            Some(_) => 1,
            None => self.classes,
        }
    }

    /// Rows that a run of the graph gets, padded where there are fewer; any number where that is `None`.
    pub fn chunk(&self) -> Option<usize> {
        match self.batch {
            Batch::Dynamic => None,
            Batch::Fixed(n) => Some(n),
        }
    }

    /// How rows are run, to end a description with; empty where a run takes any number.
    pub fn rows_in_words(&self) -> String {
        match self.batch {
            Batch::Dynamic => String::new(),
            Batch::Fixed(1) => ", one row at a time (the graph's batch is 1)".to_owned(),
            Batch::Fixed(n) => format!(", {n} rows at a time, padded (the graph's batch is {n})"),
        }
    }

    /// The input's dimensions with `rows` in the place of the batch.
    pub fn input_shape(&self, rows: usize) -> Vec<usize> {
        let rest = self.input.dims.iter().skip(1).map(|dim| match dim {
            Dim::Fixed(n) => *n,
            // The walk lets no symbol through behind the batch.
            Dim::Symbol(_) => 1,
        });
        std::iter::once(rows).chain(rest).collect()
    }
}

/// Numbers as the bytes they stand for, rounded and within a byte's range.
#[cfg(any(feature = "ort", feature = "tract"))]
pub(crate) fn write_bytes(numbers: &[f32], bytes: &mut [u8]) {
    for (byte, number) in bytes.iter_mut().zip(numbers) {
        // A cast of a float saturates.
        *byte = number.round() as u8;
    }
}
