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
    /// Sums over the rows of the present row of cells, one a column of the picture.
    columns: Vec<u32>,
    /// Mean luma of each cell, in rows. Within 32 bits: a mean of bytes has at most 20 bits that matter here.
    cells: Vec<f32>,
    /// One row's luma, for whoever has to make it first.
    row: Vec<u8>,
}

impl Thumbnail {
    /// Room for no picture yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts on a picture of this size.
    pub(super) fn begin(&mut self, width: usize, height: usize) {
        (self.width, self.height, self.added) = (width, height, 0);
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
        let columns = self.width.min(SIDE);
        let edge = |column| begin(column, columns, self.width);
        for column in 0..columns {
            let sums = &self.columns[edge(column)..edge(column + 1)];
            let sum: u32 = sums.iter().sum();
            self.cells.push(sum as f32 / (sums.len() * tall) as f32);
        }
        self.columns.fill(0);
    }

    /// The variance of the Laplacian over all cells that have four neighbours.
    pub(super) fn laplacian_variance(&self) -> f64 {
        let columns = self.width.min(SIDE);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let rows = || self.cells.chunks_exact(columns);
        for ((above, row), below) in rows().zip(rows().skip(1)).zip(rows().skip(2)) {
            for (column, around) in row.windows(3).enumerate() {
                let cross = above[column + 1] + below[column + 1] + around[0] + around[2];
                let laplacian = f64::from(cross - 4.0 * around[1]);
                count += 1.0;
                sum += laplacian;
                squares += laplacian * laplacian;
            }
        }
        if count == 0.0 {
            return 0.0;
        }
        let mean = sum / count;
        // Below zero only by rounding.
        (squares / count - mean * mean).max(0.0)
    }
}

/// The first pixel that falls into a cell: the least x with ⌊x·cells/length⌋ = cell.
fn begin(cell: usize, cells: usize, length: usize) -> usize {
    (cell * length).div_ceil(cells)
}
