//! Quantile buckets of one watched number: their edges are fixed by the reference's quantiles, so that counts of different
//! hours and replicas may be added.

/// Number of quantiles in a reference: 5 %, 10 % … 95 %.
pub const QUANTILES: usize = 19;

/// Share of the reference between two neighbouring quantiles.
const STEP: f64 = 1.0 / (QUANTILES + 1) as f64;

/// Share of the reference that is assumed in each guard bucket, which begins one 5-to-95-per-cent range beyond the outermost
/// quantile: more than the tail of a normal distribution has there, about as much as that of an exponential one.
const GUARD_SHARE: f64 = 0.001;

/// Buckets of one watched number: `(-∞, guard]`, up to 20 between the quantiles, `(guard, ∞)`.
///
/// Quantiles that are equal are not used as edges: where a value is frequent, the reference doesn't contain how much lies at
/// the value and how much below. A number that never varied has one bucket between its guards, which are at half and at one
/// and a half times its value.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileBuckets {
    edges: Vec<f64>,
    shares: Vec<f64>,
}

impl QuantileBuckets {
    /// From a manifest's 19 quantiles; `None` unless they are 19 finite numbers in ascending order.
    pub fn new(quantiles: &[f64]) -> Option<Self> {
        let sound = quantiles.len() == QUANTILES
            && quantiles.iter().all(|edge| edge.is_finite())
            && quantiles.is_sorted();
        if !sound {
            return None;
        }
        let (first, last) = (quantiles[0], quantiles[QUANTILES - 1]);
        let reach = match last - first {
            0.0 if first == 0.0 => 1.0,
            0.0 => first.abs() / 2.0,
            width => width,
        };
        let mut edges = vec![first - reach];
        let mut shares = vec![GUARD_SHARE];
        let mut below = GUARD_SHARE;
        for (place, edge) in quantiles.iter().enumerate() {
            let equals = |other: Option<&f64>| other == Some(edge);
            let before = place
                .checked_sub(1)
                .and_then(|before| quantiles.get(before));
            if equals(before) || equals(quantiles.get(place + 1)) {
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

    /// The index of a value's bucket; NaN belongs to the last.
    pub fn place(&self, value: f64) -> usize {
        if value.is_nan() {
            return self.edges.len();
        }
        self.edges.partition_point(|edge| value > *edge)
    }

    /// The reference's shares, by bucket; none is 0 and their sum is 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Lower (exclusive) and upper (inclusive) bound of a bucket.
    ///
    /// # Panics
    /// If there is no such bucket.
    pub fn bounds(&self, cell: usize) -> [f64; 2] {
        assert!(
            cell < self.shares.len(),
            "bucket {cell} of {}",
            self.shares.len()
        );
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
    fn twenty_buckets_and_two_guards() {
        let cells = QuantileBuckets::new(&rising(19)).expect("quantiles");
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
    fn a_number_that_never_varied_has_one_bucket() {
        let cells = QuantileBuckets::new(&[28.0; 19]).expect("quantiles");
        assert_eq!(cells.shares(), [0.001, 0.998, 0.001]);
        assert_eq!(
            [28.0, 640.0, 3.0].map(|width| cells.place(width)),
            [1, 2, 0]
        );
        let dark = QuantileBuckets::new(&[0.0; 19]).expect("quantiles");
        assert_eq!([0.0, 2.0].map(|value| dark.place(value)), [1, 2]);
    }

    #[test]
    fn a_frequent_value_is_no_edge() {
        let mut quantiles = rising(19);
        quantiles[4..8].fill(5.0);
        let cells = QuantileBuckets::new(&quantiles).expect("quantiles");
        assert_eq!(cells.shares().len(), 22 - 4);
        let cell = cells.place(5.0);
        assert_eq!((cells.place(4.5), cells.place(8.5)), (cell, cell));
        assert!((cells.shares()[cell] - 0.25).abs() < 1e-12);
    }

    #[test]
    fn invalid_quantiles_have_no_buckets() {
        let mut falling = rising(19);
        falling.swap(3, 4);
        let mut holed = rising(19);
        holed[18] = f64::INFINITY;
        for wrong in [rising(18), rising(20), falling, holed] {
            assert_eq!(QuantileBuckets::new(&wrong), None);
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_one_and_places_lie_within_their_bounds(
            mut quantiles in prop::collection::vec((-4i32..12).prop_map(f64::from), QUANTILES),
            value in -50.0..50.0_f64,
        ) {
            quantiles.sort_by(f64::total_cmp);
            let cells = QuantileBuckets::new(&quantiles).expect("quantiles");
            prop_assert!((cells.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(cells.shares().iter().all(|share| *share > 0.0));
            let [low, high] = cells.bounds(cells.place(value));
            prop_assert!(low < value && value <= high);
        }
    }
}
