//! The thumbnail that sharpness is measured on: built row by row, in room that is used again.

/// The most cells of a side.
const SIDE: usize = 64;

/// Room for one thumbnail. Grows to what the largest picture needs and stays so: 16 KB of cells and 5 bytes a column.
#[derive(Debug, Default)]
pub struct Thumbnail {
    width: usize,
    height: usize,
    /// Rows of the picture that have been added.
    added: usize,
    /// Where each column of cells begins, and where the last one ends.
    edges: Vec<usize>,
    /// Sums over the rows of the present row of cells, one a column of the picture.
    columns: Vec<u32>,
    /// Mean luma of each cell, in rows. Within 32 bits: a mean of bytes has at most 20 bits that matter here.
    cells: Vec<f32>,
    /// Buffer for the luma of one row, where it has to be computed first.
    row: Vec<u8>,
    /// Sum of luma over the rows of cells that are complete.
    sum: u64,
}

impl Thumbnail {
    /// Room for no picture yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts on a picture of this size.
    pub(super) fn begin(&mut self, width: usize, height: usize) {
        (self.width, self.height, self.added, self.sum) = (width, height, 0, 0);
        let columns = width.min(SIDE);
        self.edges.clear();
        self.edges
            .extend((0..=columns).map(|column| begin(column, columns, width)));
        self.columns.clear();
        self.columns.resize(width, 0);
        self.cells.clear();
        self.row.resize(width, 0);
    }

    /// Room for one row of luma, to be given back.
    pub(super) fn take_row(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.row)
    }

    /// Takes the room back.
    pub(super) fn give_row(&mut self, row: Vec<u8>) {
        self.row = row;
    }

    /// The next row of luma.
    pub(super) fn add(&mut self, row: &[u8]) {
        for (sum, value) in self.columns.iter_mut().zip(row) {
            *sum += u32::from(*value);
        }
        self.added += 1;
        let rows = self.height.min(SIDE);
        let cell_row = (self.added - 1) * rows / self.height;
        if self.added * rows / self.height == cell_row {
            return;
        }
        let tall = self.added - begin(cell_row, rows, self.height);
        for edges in self.edges.windows(2) {
            let sums = &self.columns[edges[0]..edges[1]];
            let sum: u32 = sums.iter().sum();
            self.sum += u64::from(sum);
            self.cells.push(sum as f32 / (sums.len() * tall) as f32);
        }
        self.columns.fill(0);
    }

    /// The sum of luma over all pixels, once all are added.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// The variance of the Laplacian over all cells that have four neighbours.
    pub(super) fn laplacian_variance(&self) -> f64 {
        let columns = self.width.min(SIDE);
        let rows = self.height.min(SIDE);
        let (inner, inner_rows) = (columns.saturating_sub(2), rows.saturating_sub(2));
        if inner * inner_rows == 0 {
            return 0.0;
        }
        // One sum a column, so that columns are summed side by side in wide vectors.
        let (mut sums, mut squares) = ([0.0_f32; SIDE], [0.0_f32; SIDE]);
        for around in self.cells.windows(3 * columns).step_by(columns) {
            let (above, rest) = around.split_at(columns);
            let (row, below) = rest.split_at(columns);
            let (above, below) = (&above[1..][..inner], &below[1..][..inner]);
            let (left, centre, right) = (&row[..inner], &row[1..][..inner], &row[2..][..inner]);
            for (i, (sum, square)) in sums[..inner]
                .iter_mut()
                .zip(&mut squares[..inner])
                .enumerate()
            {
                let laplacian = above[i] + below[i] + left[i] + right[i] - 4.0 * centre[i];
                *sum += laplacian;
                *square += laplacian * laplacian;
            }
        }
        let count = (inner * inner_rows) as f64;
        let mean = |sums: &[f32]| sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() / count;
        // Below zero only by rounding.
        (mean(&squares) - mean(&sums).powi(2)).max(0.0)
    }
}

/// The first pixel that falls into a cell: the least x with ⌊x·cells/length⌋ = cell.
fn begin(cell: usize, cells: usize, length: usize) -> usize {
    (cell * length).div_ceil(cells)
}
