//! What is known of a network beside its graph.

use std::sync::Arc;

use crate::SingleScore;

/// From a manifest, or from the network's user. It fills in what a graph leaves open; numbers in the graph stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The output that holds the scores; `None` takes the first suitable one.
    pub output: Option<String>,
    /// The input without its batch, `[C,H,W]` or `[H,W,C]`, where dimensions are symbols.
    pub row_shape: Option<Vec<usize>>,
    /// How many classes there are, where the output has a symbol for them.
    pub classes: Option<usize>,
    /// What the score is, where the graph gives one a row; `None`: as its last activation shows.
    pub single_score: Option<SingleScore>,
    /// Why rows are to be run one at a time; `None`: as many as the graph takes.
    pub one_row: Option<Arc<str>>,
}

impl Hints {
    /// `dims` without its batch, every symbol replaced by what is known; `None` where nothing is.
    pub(super) fn row(&self, dims: &[crate::Dim]) -> Option<Vec<usize>> {
        let known = self.row_shape.as_deref().unwrap_or_default();
        let plain: Vec<usize> = known.iter().copied().filter(|size| *size != 1).collect();
        let flat = [known.iter().product()];
        // A flat row, or a gray picture without its channel, is the same numbers in the same order.
        let known = match dims.len() {
            rank if rank == known.len() => known,
            rank if rank == plain.len() => &plain,
            1 if !known.is_empty() => &flat,
            _ => &[],
        };
        let size = |(at, dim): (usize, &crate::Dim)| match dim {
            crate::Dim::Fixed(size) => Some(*size),
            crate::Dim::Symbol(_) => known.get(at).copied(),
        };
        dims.iter().enumerate().map(size).collect()
    }
}
