//! Whether the transform is the one that the network was trained with: a few validation pictures are run through it, and
//! their outputs compared with those that the trainer's own code gave for the same pictures. Where they differ, the usual
//! mistakes are tried, and the transform that explains the outputs is named.

mod alternatives;
mod distance;
mod fit;
mod trial;

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use stillhouse_engine::EngineOptions;
use stillhouse_image::Transform;
use stillhouse_store::NewVersion;

use super::{ImportError, Prepare, outputs::Outputs, truth::Truth, validation::Pictures};
use alternatives::Search;
use distance::Distance;
pub(crate) use distance::top;
use trial::Trial;

/// So many pictures are compared, spread evenly over all.
const COMPARED: usize = 16;

/// With so many of them other transforms are tried; each costs as many runs.
const TRIED: usize = 6;

/// Pictures that are counted where only labels are known.
const COUNTED: usize = 64;

/// Outputs this close, relative to their size, are the same up to rounding and to another library's resizing.
const SAME: f64 = 0.02;

/// From here on a person should look at it.
const DOUBTFUL: f64 = 0.05;

/// From here on it is another transform, or another network.
const OTHER: f64 = 0.25;

/// An alternative explains the outputs if it is this many times closer.
const CLOSER: f64 = 3.0;

/// Labels: an alternative must be right this much more often.
const MORE_OFTEN: f64 = 0.1;

/// How long alternatives are tried.
const SEARCH: Duration = Duration::from_secs(30);

/// What the comparison showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// Pictures compared.
    pub pictures: usize,
    /// How far the outputs are apart, as a fraction of their size.
    pub off: f64,
}

impl Proof {
    /// Whether a person should look at it.
    pub fn is_doubtful(&self) -> bool {
        self.off > DOUBTFUL
    }
}

/// Compares the version's outputs for some of the pictures at `path` with `outputs`, which were given for all of them.
///
/// # Errors
/// [`ImportError::Transform`] where they differ, with the transform that fits if one of those tried does.
pub fn prove(
    path: &Path,
    outputs: &Outputs,
    version: &NewVersion,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
) -> Result<Proof, ImportError> {
    let pictures = Pictures::at(path)?;
    let mut trial = Trial::new(&pictures, version, engine, prepare)?;
    let declared = &version.manifest.transform;
    let rows: Vec<&[f32]> = outputs.rows().collect();
    if rows.len() != pictures.len() || outputs.classes() != version.manifest.output.classes {
        // Said elsewhere, with both numbers.
        return Ok(Proof {
            pictures: 0,
            off: 0.0,
        });
    }
    let distance = Distance::new(&rows);
    let compared = spread(pictures.len(), COMPARED);
    let found = trial.outputs(&compared, declared)?;
    let off = distance.of(&compared, &found);
    let proof = Proof {
        pictures: compared.len(),
        off,
    };
    if off <= SAME {
        return Ok(proof);
    }
    let same_label = distance.same_labels(&compared, &found);
    let differ = format!(
        "the network's outputs for the pictures are {} off those in --reference; {same_label} of {} pictures have the same label",
        percent(off),
        compared.len()
    );
    if let Some(picture) = distance.belongs_elsewhere(&compared, &found) {
        return Err(ImportError::Transform(format!(
            "{differ}. They fit other rows ({picture}): pictures and outputs must be in the same order, the files sorted by name"
        )));
    }

    let (likely, closest) = {
        let tried = spread(pictures.len(), TRIED);
        let resizes = trial.resizes(&tried, declared)?;
        let off = |transform: &Transform| {
            let found = trial.outputs(&tried, transform)?;
            Ok(distance.of(&tried, &found))
        };
        likely(declared, resizes, off)?
    };
    let closest = match closest * CLOSER < off {
        true => distance.of(&compared, &trial.outputs(&compared, &likely)?),
        false => closest,
    };
    if closest * CLOSER < off && closest < OTHER {
        return Err(ImportError::Transform(format!(
            "{differ}. With {} they are {} off: is that how the network was trained?",
            flags(declared, &likely),
            percent(closest)
        )));
    }
    match off > OTHER {
        true => Err(ImportError::Transform(format!(
            "{differ}. None of the usual transforms explains that: compare mean, scale, resize and colours with your own code, and whether the outputs belong to this network and these pictures"
        ))),
        false => Ok(proof),
    }
}

/// The closest of the usual transforms, or one with fitted numbers if none of those explains the outputs.
fn likely(
    declared: &Transform,
    resizes: bool,
    off: impl FnMut(&Transform) -> Result<f64, ImportError>,
) -> Result<(Transform, f64), ImportError> {
    let mut search = Search {
        until: Instant::now() + SEARCH,
        resizes,
        off,
    };
    let (usual, closest) = search.best(declared)?;
    if closest <= SAME {
        return Ok((usual, closest));
    }
    let (fitted, off) = fit::fit(&mut search, &usual, closest)?;
    Ok(match off <= SAME {
        true => (fitted, off),
        false => (usual, closest),
    })
}

/// What the labels of some pictures say about the transform: how often the network is right, and with which other transform it
/// would be right far more often.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// Pictures counted.
    pub pictures: usize,
    /// The part of them that gets its label.
    pub right: f64,
    /// Flags with which far more would, and the part that would.
    pub better: Option<(String, f64)>,
}

/// Counts how often the version gives the pictures at `path` their labels, and tries other transforms.
///
/// # Errors
/// A picture that can't be read, an engine that fails.
pub fn count(
    path: &Path,
    truth: &Truth,
    version: &NewVersion,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
) -> Result<Hint, ImportError> {
    let pictures = Pictures::at(path)?;
    let mut trial = Trial::new(&pictures, version, engine, prepare)?;
    let declared = &version.manifest.transform;
    let counted = spread(pictures.len().min(truth.len()), COUNTED);
    let right = truth.share(&counted, &trial.outputs(&counted, declared)?);
    let resizes = trial.resizes(&counted, declared)?;
    let mut search = Search {
        until: Instant::now() + SEARCH,
        resizes,
        off: |transform: &Transform| {
            let found = trial.outputs(&counted, transform)?;
            Ok(1.0 - truth.share(&counted, &found))
        },
    };
    let (likely, off) = search.best(declared)?;
    let better = (1.0 - off >= right + MORE_OFTEN && counted.len() >= 20)
        .then(|| (flags(declared, &likely), 1.0 - off));
    Ok(Hint {
        pictures: counted.len(),
        right,
        better,
    })
}

/// At most `most` of the numbers below `all`, spread evenly.
fn spread(all: usize, most: usize) -> Vec<usize> {
    let taken = all.min(most);
    (0..taken).map(|index| index * all / taken).collect()
}

fn percent(fraction: f64) -> String {
    match fraction {
        _ if fraction < 0.001 => "less than 0.1 %".into(),
        _ if fraction < 0.1 => format!("{:.1} %", 100.0 * fraction),
        _ if fraction > 1.0 => "more than 100 %".into(),
        _ => format!("{:.0} %", 100.0 * fraction),
    }
}

/// The flags of `import` that turn one transform into the other.
fn flags(from: &Transform, to: &Transform) -> String {
    let mut flags = String::new();
    let mut flag = |name: &str, value: String| {
        let _ = write!(flags, " --{name} {value}");
    };
    if from.color != to.color {
        flag("color", spelled(&to.color));
    }
    if from.resize != to.resize {
        flag("resize", spelled(&to.resize));
    }
    if let Some(resize_to) = to.resize_to.filter(|_| from.resize_to != to.resize_to) {
        flag("resize-to", resize_to.to_string());
    }
    if from.filter != to.filter {
        flag("filter", spelled(&to.filter));
    }
    if from.scale != to.scale {
        flag("scale", scale(to.scale));
    }
    if from.mean != to.mean {
        flag("mean", numbers(&to.mean));
    }
    if from.std != to.std {
        flag("std", numbers(&to.std));
    }
    flags.trim_start().to_owned()
}

fn scale(scale: f32) -> String {
    let inverse = (1.0 / f64::from(scale)).round();
    match (
        (1.0 / inverse) as f32 == scale && inverse.abs() > 1.0,
        inverse < 0.0,
    ) {
        (true, false) => format!("1/{inverse}"),
        (true, true) => format!("-1/{}", -inverse),
        (false, _) => scale.to_string(),
    }
}

fn numbers(numbers: &[f32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
    numbers.join(",")
}

/// A value that the manifest writes as one word.
fn spelled(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
