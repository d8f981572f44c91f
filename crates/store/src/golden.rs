//! Golden samples: pictures with the raw outputs that the network must give for them.

use bytes::Bytes;

/// A picture and what the network answered when the version was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// The picture's file name without its extension.
    pub name: String,
    /// The picture's file, undecoded.
    pub image: Bytes,
    /// The raw outputs, one a class, all finite.
    pub outputs: Vec<f32>,
    /// How far any output may be off: `|got - expected| <= tolerance * max(1, max |expected|)`.
    pub tolerance: f32,
}

impl Golden {
    /// Whether `got` reproduces the recorded outputs.
    ///
    /// # Errors
    /// The first class that is off the furthest, with both values.
    pub fn matches(&self, got: &[f32]) -> Result<(), Mismatch> {
        if got.len() != self.outputs.len() {
            return Err(Mismatch::Length {
                got: got.len(),
                expected: self.outputs.len(),
            });
        }
        if let Some(class) = got.iter().position(|value| !value.is_finite()) {
            return Err(Mismatch::NonFinite {
                class,
                got: got[class],
            });
        }
        let largest = self.outputs.iter().fold(1.0_f64, |largest, value| {
            largest.max(f64::from(value.abs()))
        });
        let allowed = f64::from(self.tolerance) * largest;
        let off = |class: usize| (f64::from(got[class]) - f64::from(self.outputs[class])).abs();
        match (0..got.len()).max_by(|a, b| off(*a).total_cmp(&off(*b)).then(b.cmp(a))) {
            Some(class) if off(class) > allowed => Err(Mismatch::Off {
                class,
                got: got[class],
                expected: self.outputs[class],
                allowed: allowed as f32,
            }),
            _ => Ok(()),
        }
    }
}

/// How outputs differ from the recorded ones.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// Another number of classes.
    #[error("{got} outputs, {expected} are recorded")]
    Length {
        /// From the engine.
        got: usize,
        /// Recorded.
        expected: usize,
    },
    /// Not a number, or infinite.
    #[error("output {class} is {got:?}")]
    NonFinite {
        /// The class.
        class: usize,
        /// From the engine.
        got: f32,
    },
    /// Too far from the recorded value.
    #[error("output {class} is {got:?}, {expected:?} is recorded and {allowed:?} off is allowed")]
    Off {
        /// The class that is off the furthest.
        class: usize,
        /// From the engine.
        got: f32,
        /// Recorded.
        expected: f32,
        /// `tolerance * max(1, max |expected|)`.
        allowed: f32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_match_within_the_tolerance_of_the_largest() {
        let golden = |outputs: &[f32]| Golden {
            name: "cat".into(),
            image: Bytes::new(),
            outputs: outputs.to_vec(),
            tolerance: 0.25,
        };
        let check = |outputs: &[f32], got: &[f32], expected: Option<&str>| {
            let found = golden(outputs)
                .matches(got)
                .err()
                .map(|mismatch| mismatch.to_string());
            assert_eq!(found.as_deref(), expected, "{got:?} for {outputs:?}");
        };
        check(&[0.5, 0.5], &[0.75, 0.25], None);
        check(
            &[0.5, 0.5],
            &[0.5, 0.8],
            Some("output 1 is 0.8, 0.5 is recorded and 0.25 off is allowed"),
        );
        check(&[-8.0, 0.0], &[-8.0, 2.0], None);
        check(
            &[-8.0, 0.0],
            &[-8.0, 2.1],
            Some("output 1 is 2.1, 0.0 is recorded and 2.0 off is allowed"),
        );
        check(
            &[0.0, 0.0, 0.0],
            &[1.0, 3.0, 3.0],
            Some("output 1 is 3.0, 0.0 is recorded and 0.25 off is allowed"),
        );
        check(&[0.0, 0.0], &[0.0, f32::NAN], Some("output 1 is NaN"));
        check(&[0.0, 0.0], &[f32::INFINITY, 0.0], Some("output 0 is inf"));
        check(&[0.0, 0.0], &[0.0], Some("1 outputs, 2 are recorded"));
        check(
            &[3e38, 0.0],
            &[-3e38, 0.0],
            Some("output 0 is -3e38, 3e38 is recorded and 7.5e37 off is allowed"),
        );
    }
}
