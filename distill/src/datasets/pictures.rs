//! Encoded pictures of any size, decoded in parallel by the server's own code.

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use stillhouse_image::{Limits, Transform, decode};

use super::Dataset;

/// A data set with a larger share of damaged pictures is refused.
const DAMAGED_SHARE: f64 = 0.01;
/// Number of damaged pictures that are listed.
const NAMED: usize = 10;

/// An encoded picture.
pub(super) struct Encoded {
    /// Name for messages.
    pub(super) name: String,
    /// Its class, where known.
    pub(super) label: Option<u8>,
}

/// A picture's channels in the network's size, and its original size.
type Decoded = (Vec<u8>, (u32, u32));

/// Decodes the bytes that `bytes` returns for each of `all`. Undecodable pictures are skipped, counted and listed.
pub(super) fn decode_all(
    all: &[Encoded],
    bytes: impl Fn(usize) -> Result<Vec<u8>> + Sync,
    transform: &Transform,
) -> Result<Dataset> {
    let limits = Limits::default();
    let decoded: Vec<Result<Decoded>> = (0..all.len())
        .into_par_iter()
        .map(|i| {
            let bytes = bytes(i)?;
            ensure!(!bytes.is_empty(), "the file is empty");
            let picture = decode(&bytes, &limits, transform)?;
            let size = picture.full_size();
            Ok((planes(transform.apply(picture).bytes(), transform), size))
        })
        .collect();
    let mut dataset = Dataset {
        row_len: transform.row_len(),
        ..Dataset::default()
    };
    let mut labels = Vec::new();
    let mut damaged = Vec::new();
    for (encoded, picture) in all.iter().zip(decoded) {
        match picture {
            Ok((picture, size)) => {
                dataset.pixels.extend(picture);
                dataset.sizes.push(size);
                labels.extend(encoded.label);
            }
            Err(error) => damaged.push(format!("{}: {error:#}", encoded.name)),
        }
    }
    if !damaged.is_empty() {
        let more = damaged.len().saturating_sub(NAMED);
        let mut list = damaged[..damaged.len().min(NAMED)].join("\n  ");
        if more > 0 {
            list += &format!("\n  and {more} more");
        }
        ensure!(
            damaged.len() as f64 <= DAMAGED_SHARE * all.len() as f64,
            "{} of {} pictures can't be read, and more than 1 % is refused:\n  {list}",
            damaged.len(),
            all.len()
        );
        eprintln!(
            "skipped {} of {} pictures:\n  {list}",
            damaged.len(),
            all.len()
        );
    }
    dataset.labels = (labels.len() == dataset.len()).then_some(labels);
    Ok(dataset)
}

/// From interleaved channels to one plane per channel.
fn planes(pixels: &[u8], transform: &Transform) -> Vec<u8> {
    let channels = transform.color.channels();
    (0..channels)
        .flat_map(|channel| pixels.iter().skip(channel).step_by(channels))
        .copied()
        .collect()
}

/// The class called `name`, by its name or by its number.
pub(super) fn class(name: &str, labels: &[String]) -> Result<u8> {
    let by_name = labels.iter().position(|label| label == name);
    let index = by_name.or_else(|| {
        name.parse()
            .ok()
            .filter(|&index: &usize| index < labels.len())
    });
    let index =
        index.with_context(|| format!("`{name}` is none of the labels ({})", labels.join(", ")))?;
    Ok(u8::try_from(index)?)
}
