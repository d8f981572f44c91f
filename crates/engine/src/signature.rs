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
    /// Scores per row: the product of the output's dimensions without the first.
    pub classes: usize,
    /// The version of the default operator set.
    pub opset: i64,
    /// Whether the scores come out of a Softmax node.
    pub softmax: bool,
}

impl Signature {
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
