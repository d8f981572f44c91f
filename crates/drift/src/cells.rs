//! One watched number beside its reference: cells whose edges the reference's ventiles fix for good, so that counts of
//! different hours and replicas may be added.

/// How many ventiles there are: 5 %, 10 % … 95 %.
pub const VENTILES: usize = 19;

/// What each ventile is above the one before.
const STEP: f64 = 1.0 / (VENTILES + 1) as f64;

/// The share of the reference that is taken to lie in each guard cell, a whole 5-to-95-per-cent range beyond the last ventile:
/// more than normal tails have there, and no more than exponential ones nearly have.
const GUARD_SHARE: f64 = 0.001;

/// Cells of one watched number: `(-∞, guard]`, up to 20 between the ventiles, `(guard, ∞)`.
///
/// A ventile that equals its neighbour is no edge: where a value is frequent, the reference doesn't tell how much lies at it
/// and how much below. A number that never varied has one cell between its guards, at a half and at one and a half times it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    edges: Vec<f64>,
    shares: Vec<f64>,
}

impl Cells {
    /// From a manifest's 19 ventiles; `None` where they aren't 19 finite numbers that don't fall.
    pub fn new(ventiles: &[f64]) -> Option<Self> {
        let sound = ventiles.len() == VENTILES
            && ventiles.iter().all(|edge| edge.is_finite())
            && ventiles.is_sorted();
        if !sound {
            return None;
        }
        let (first, last) = (ventiles[0], ventiles[VENTILES - 1]);
        let reach = match last - first {
            0.0 if first == 0.0 => 1.0,
            0.0 => first.abs() / 2.0,
            width => width,
        };
        let mut edges = vec![first - reach];
        let mut shares = vec![GUARD_SHARE];
        let mut below = GUARD_SHARE;
        for (place, edge) in ventiles.iter().enumerate() {
            let equals = |other: Option<&f64>| other == Some(edge);
            let before = place.checked_sub(1).and_then(|before| ventiles.get(before));
            if equals(before) || equals(ventiles.get(place + 1)) {
                continue;
            }
            let up_to = STEP * (place + 1) as f64;
            edges.push(*edge);
            shares.push(up_to - below);
            below = up_to;
        }
        edges.push(last + reach);
        shares.extend([1.0 - GUARD_SHARE - below, GUARD_SHARE]);
        Some(Self { edges, shares })
    }

    /// The cell of a value; what isn't a number lies beyond everything.
    pub fn place(&self, value: f64) -> usize {
        if value.is_nan() {
            return self.edges.len();
        }
        self.edges.partition_point(|edge| value > *edge)
    }

    /// The reference's shares, by cell; none is 0 and their sum is 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// From where to where a cell goes.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn bounds(&self, cell: usize) -> [f64; 2] {
        assert!(cell < self.shares.len(), "a cell of {}", self.shares.len());
        let low = cell.checked_sub(1).map(|below| self.edges[below]);
        let high = self.edges.get(cell).copied();
        [
            low.unwrap_or(f64::NEG_INFINITY),
            high.unwrap_or(f64::INFINITY),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rising(count: usize) -> Vec<f64> {
        (1..=count).map(|place| place as f64).collect()
    }

    #[test]
    fn twenty_cells_and_two_guards() {
        let cells = Cells::new(&rising(19)).expect("ventiles");
        assert_eq!(cells.shares().len(), 22);
        for (value, cell) in [
            (f64::NEG_INFINITY, 0),
            (-17.0, 0),
            (-16.9, 1),
            (1.0, 1),
            (1.1, 2),
            (19.0, 19),
            (19.1, 20),
            (37.0, 20),
            (37.1, 21),
            (f64::NAN, 21),
        ] {
            assert_eq!(cells.place(value), cell, "{value}");
        }
        assert_eq!(cells.bounds(2), [1.0, 2.0]);
        assert_eq!(cells.bounds(21), [37.0, f64::INFINITY]);
        assert!((cells.shares()[1] - 0.049).abs() < 1e-12);
        assert!((cells.shares()[2] - 0.05).abs() < 1e-12);
    }

    /// Every picture of the reference was 28 wide: pictures of 28 are no drift, pictures of 640 are.
    #[test]
    fn a_number_that_never_varied_has_one_cell() {
        let cells = Cells::new(&[28.0; 19]).expect("ventiles");
        assert_eq!(cells.shares(), [0.001, 0.998, 0.001]);
        assert_eq!(
            [28.0, 640.0, 3.0].map(|width| cells.place(width)),
            [1, 2, 0]
        );
        let dark = Cells::new(&[0.0; 19]).expect("ventiles");
        assert_eq!([0.0, 2.0].map(|value| dark.place(value)), [1, 2]);
    }

    #[test]
    fn a_frequent_value_is_no_edge() {
        let mut ventiles = rising(19);
        ventiles[4..8].fill(5.0);
        let cells = Cells::new(&ventiles).expect("ventiles");
        assert_eq!(cells.shares().len(), 22 - 4);
        let cell = cells.place(5.0);
        assert_eq!((cells.place(4.5), cells.place(8.5)), (cell, cell));
        assert!((cells.shares()[cell] - 0.25).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_ventile_has_no_cells() {
        let mut falling = rising(19);
        falling.swap(3, 4);
        let mut holed = rising(19);
        holed[18] = f64::INFINITY;
        for wrong in [rising(18), rising(20), falling, holed] {
            assert_eq!(Cells::new(&wrong), None);
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_one_and_places_lie_within_their_bounds(
            mut ventiles in prop::collection::vec((-4i32..12).prop_map(f64::from), VENTILES),
            value in -50.0..50.0_f64,
        ) {
            ventiles.sort_by(f64::total_cmp);
            let cells = Cells::new(&ventiles).expect("ventiles");
            prop_assert!((cells.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(cells.shares().iter().all(|share| *share > 0.0));
            let [low, high] = cells.bounds(cells.place(value));
            prop_assert!(low < value && value <= high);
        }
    }
}
