//! The kept counts and their comparison. Pure; its tests are tests/all/instructions.rs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter, Write},
};

use serde::Deserialize;

/// How much more a piece may take before the check fails.
const TOLERANCE: f64 = 0.03;

/// The counts in the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// Another compiler generates other instructions.
    pub compiler: String,
    tolerance: f64,
    instructions: BTreeMap<String, u64>,
}

/// One piece, with its kept and its new count.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compared {
    name: String,
    kept: Option<u64>,
    counted: Option<u64>,
    comparison: Comparison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    /// Above the tolerance.
    More,
    /// Below the tolerance: the file should follow, or a later loss would not be noticed.
    Less,
    /// Only on one side.
    Unpaired,
}

impl Kept {
    /// These counts, by this compiler.
    pub(super) fn new(compiler: String, instructions: BTreeMap<String, u64>) -> Self {
        Self {
            compiler,
            tolerance: TOLERANCE,
            instructions,
        }
    }

    /// As the text of the file.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "# Instructions of one call of each piece, by callgrind; benches/instructions.rs says of which build.\n\
             # Written by `make instructions`; `make check-instructions` compares.\n\
             compiler = {:?}\ntolerance = {}\n\n[instructions]\n",
            self.compiler, self.tolerance
        );
        for (name, count) in &self.instructions {
            let _ = writeln!(text, "{name:?} = {count}");
        }
        text
    }

    /// Every piece of either side, by name.
    pub(super) fn compare(&self, counted: &BTreeMap<String, u64>) -> Vec<Compared> {
        let names: BTreeSet<&String> = self.instructions.keys().chain(counted.keys()).collect();
        let compared = |name: &String| {
            let (kept, counted) = (self.instructions.get(name), counted.get(name));
            let comparison = match (kept, counted) {
                (Some(&kept), Some(&counted)) => {
                    let (kept, counted) = (kept as f64, counted as f64);
                    match counted {
                        more if more > kept * (1.0 + self.tolerance) => Comparison::More,
                        less if less < kept * (1.0 - self.tolerance) => Comparison::Less,
                        _ => Comparison::Same,
                    }
                }
                _ => Comparison::Unpaired,
            };
            Compared {
                name: name.clone(),
                kept: kept.copied(),
                counted: counted.copied(),
                comparison,
            }
        };
        names.into_iter().map(compared).collect()
    }
}

impl Compared {
    /// Whether it must be fixed.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.comparison, Comparison::More | Comparison::Unpaired)
    }
}

impl Display for Compared {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.kept, self.counted) {
            (Some(kept), Some(counted)) => {
                let percent = 100.0 * (counted as f64 / kept as f64 - 1.0);
                write!(
                    f,
                    "{name:22} {counted:8} instructions, {kept:8} kept, {percent:+.1}%"
                )?;
            }
            (None, Some(counted)) => {
                write!(f, "{name:22} {counted:8} instructions, none kept")?;
            }
            (Some(kept), None) => write!(f, "{name:22} {kept:8} kept, but it no longer exists")?,
            (None, None) => write!(f, "{name:22} nowhere")?,
        }
        f.write_str(match self.comparison {
            Comparison::Same => "",
            Comparison::More => ": TOO MANY",
            Comparison::Less => ": fewer; `make instructions` keeps it so",
            Comparison::Unpaired => ": `make instructions` is missing",
        })
    }
}

/// The sum of all instructions, from the file that callgrind writes.
pub(super) fn total(text: &str) -> Option<u64> {
    // One event was requested: instructions read.
    text.lines().find(|line| *line == "events: Ir")?;
    let lines = text.lines().rev();
    let totals = lines
        .filter_map(|line| line.strip_prefix("totals: "))
        .next()?;
    totals.trim().parse().ok().filter(|total| *total > 0)
}
