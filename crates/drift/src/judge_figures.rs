//! What the judge promises, each figure beside what was measured by seeded simulation with the code that serves.
//!
//! Ordinary tests measure it with few runs; `make judge-figures` with many, and prints one table. docs/judge.md keeps the last one.
//! A new figure is a row in one of the lists below; a new list is a test that calls [`check`].

mod classes;
mod intervals;
mod live;
mod reference;
mod tries;

/// One promise.
pub(crate) struct Figure {
    /// What it is about.
    pub(crate) part: &'static str,
    pub(crate) what: &'static str,
    pub(crate) promise: Promise,
    pub(crate) unit: &'static str,
    pub(crate) measure: fn(Effort) -> f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    AtMost(f64),
    AtLeast(f64),
    /// For comparison: what would be without. It must be at least so bad, or the simulation shows nothing.
    Without(f64),
}

/// How many runs a figure is measured with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effort {
    /// As a test.
    Few,
    /// For the table.
    Many,
}

impl Effort {
    pub(crate) fn runs(self, few: u64, many: u64) -> u64 {
        match self {
            Self::Few => few,
            Self::Many => many,
        }
    }
}

impl Promise {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) | Self::Without(least) => measured >= least,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most} {unit}"),
            Self::AtLeast(least) => format!("≥ {least} {unit}"),
            Self::Without(_) => "without it".into(),
        }
    }
}

/// Measures all of a list, prints its rows of the table, and fails if a promise is broken.
pub(crate) fn check(figures: &[Figure]) {
    let effort = match std::env::var_os("STILLHOUSE_JUDGE_FIGURES") {
        Some(_) => Effort::Many,
        None => Effort::Few,
    };
    let mut broken = Vec::new();
    // The test's name stands on a line of its own.
    println!();
    for figure in figures {
        let measured = (figure.measure)(effort);
        let promise = figure.promise.text(figure.unit);
        let Figure {
            part, what, unit, ..
        } = figure;
        let row = format!("| {part} | {what} | {promise} | {measured:.3} {unit} |");
        println!("{row}");
        if !figure.promise.holds(measured) {
            broken.push(row);
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
