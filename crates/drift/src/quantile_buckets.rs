//! Quantile buckets of one watched number: their edges are fixed by the reference's quantiles, so that counts of different
//! hours and replicas may be added.

/// Number of quantiles in a reference: 5 %, 10 % … 95 %.
pub const QUANTILES: usize = 19;

/// Share of the reference between two neighbouring quantiles.
const STEP: f64 = 1.0 / (QUANTILES + 1) as f64;

/// Share that is assumed beyond each guard of a number whose quantiles have no edge, where it isn't known. Up to 5 % may
/// lie there without being seen in the quantiles: with this share neither that nor nothing at all looks like drift.
const ASSUMED_SHARE: f64 = 0.01;

/// Of what lies beyond an outermost quantile, at most this part may lie beyond the guard.
const LARGEST_PART: f64 = 0.98;

/// Buckets of one watched number: `(-∞, guard]`, up to 20 between the quantiles, `(guard, ∞)`.
///
/// Quantiles that are equal are not used as edges: where a value is frequent, the reference doesn't contain how much lies at
/// the value and how much below. The guards lie one 5-to-95-per-cent range beyond the outermost quantiles. How much the
/// reference has beyond them can't be guessed: of a normal distribution it is next to nothing, of the certainty of a
/// student that is certain of most pictures 4 %. Where it isn't known, there are no guards. A number that never varied has
/// one bucket between its guards, which are at half and at one and a half times its value.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileBuckets {
    edges: Vec<f64>,
    shares: Vec<f64>,
}

impl QuantileBuckets {
    /// From a manifest's 19 quantiles and the shares below the lower guard and above the upper one; `None` unless the
    /// former are 19 finite numbers in ascending order.
    pub fn new(quantiles: &[f64], tails: Option<[f64; 2]>) -> Option<Self> {
        let guards = Self::guards(quantiles)?;
        let place = |place: usize| quantiles.get(place);
        let is_edge = |at: &usize| {
            let before = at.checked_sub(1).and_then(place);
            before != place(*at) && place(at + 1) != place(*at)
        };
        let inner: Vec<usize> = (0..QUANTILES).filter(is_edge).collect();
        let tails = tails.or(inner.is_empty().then_some([ASSUMED_SHARE; 2]));
        let tails = tails.map(|tails| tails.map(|share| share.clamp(0.0, LARGEST_PART * STEP)));
        let low = tails.map(|[low, _]| (guards[0], low));
        let inner = inner.into_iter();
        let inner = inner.map(|at| (quantiles[at], STEP * (at + 1) as f64));
        let high = tails.map(|[_, high]| (guards[1], 1.0 - high));
        // Each edge with the share below it.
        let (edges, below): (Vec<f64>, Vec<f64>) = low.into_iter().chain(inner).chain(high).unzip();
        let to = below.iter().copied().chain([1.0]);
        let from = [0.0].into_iter().chain(below.iter().copied());
        let shares = to.zip(from).map(|(to, from)| to - from).collect();
        Some(Self { edges, shares })
    }

    /// Where values begin to lie far beyond these quantiles: at most the first, or above the second. `None` unless they are
    /// 19 finite numbers in ascending order.
    pub fn guards(quantiles: &[f64]) -> Option<[f64; 2]> {
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
        Some([first - reach, last + reach])
    }

    /// The index of a value's bucket; NaN belongs to the last.
    pub fn place(&self, value: f64) -> usize {
        if value.is_nan() {
            return self.edges.len();
        }
        self.edges.partition_point(|edge| value > *edge)
    }

    /// The reference's shares, by bucket; none is below 0 and their sum is 1.
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
        let cells = QuantileBuckets::new(&rising(19), Some([0.001; 2])).expect("quantiles");
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
        let cells = QuantileBuckets::new(&[28.0; 19], None).expect("quantiles");
        let shares = cells.shares().iter().zip([0.01, 0.98, 0.01]);
        shares.for_each(|(share, right)| assert!((share - right).abs() < 1e-12));
        assert_eq!(
            [28.0, 640.0, 3.0].map(|width| cells.place(width)),
            [1, 2, 0]
        );
        let dark = QuantileBuckets::new(&[0.0; 19], None).expect("quantiles");
        assert_eq!([0.0, 2.0].map(|value| dark.place(value)), [1, 2]);
    }

    #[test]
    fn a_frequent_value_is_no_edge() {
        let mut quantiles = rising(19);
        quantiles[4..8].fill(5.0);
        let cells = QuantileBuckets::new(&quantiles, None).expect("quantiles");
        assert_eq!(cells.shares().len(), 20 - 4);
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
            assert_eq!(QuantileBuckets::new(&wrong, None), None);
        }
    }

    /// Two sizes of pictures: no quantile is an edge, but a third size is seen.
    #[test]
    fn two_values_have_one_bucket() {
        let mut quantiles = [28.0; 19];
        quantiles[9..].fill(32.0);
        let cells = QuantileBuckets::new(&quantiles, None).expect("quantiles");
        assert_eq!(
            [28.0, 32.0, 640.0].map(|width| cells.place(width)),
            [1, 1, 2]
        );
    }

    proptest! {
        #[test]
        fn shares_sum_to_one_and_places_lie_within_their_bounds(
            mut quantiles in prop::collection::vec((-4i32..12).prop_map(f64::from), QUANTILES),
            tails in prop::option::of([1e-4..0.2_f64, 1e-4..0.2]),
            value in -50.0..50.0_f64,
        ) {
            quantiles.sort_by(f64::total_cmp);
            let cells = QuantileBuckets::new(&quantiles, tails).expect("quantiles");
            prop_assert!((cells.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(cells.shares().iter().all(|share| *share > 0.0));
            let [low, high] = cells.bounds(cells.place(value));
            prop_assert!(low < value && value <= high);
        }
    }
}
