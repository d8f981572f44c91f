//! What a manifest must satisfy beyond its types, before any other file is looked at.

use std::path::Path;

use super::{
    Labels, Manifest, StoreError,
    folder::is_safe_path,
    manifest::{self, Element, Output, SCHEMA},
};
use stillhouse_strict_toml::suggest;

/// Numbers whose quantiles `reference.ventiles` may hold, by their names in the manifest.
pub(super) const WATCHED: [&str; 11] = [
    "luma_mean",
    "luma_std",
    "laplacian_variance",
    "channel_mean_0",
    "channel_mean_1",
    "channel_mean_2",
    "width",
    "height",
    "top1_probability",
    "margin",
    "log_sum_exp",
];

const MAX_GOLDEN: usize = 100;

/// Shares that were Jeffreys-smoothed.
fn smoothed(ratios: &[f64], path: &Path, key: &'static str) -> Result<(), StoreError> {
    let bad = ratios
        .iter()
        .find(|ratio| !(**ratio > 0.0 && **ratio < 1.0));
    check(
        bad.is_none(),
        path,
        key,
        format!("{bad:?} for a class"),
        "every share lies between 0 and 1 when Jeffreys-smoothed",
    )
}

/// An error about `key` that states what is `expected`, unless `good`.
fn check(
    good: bool,
    path: &Path,
    key: &str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<(), StoreError> {
    if good {
        return Ok(());
    }
    Err(StoreError::Value {
        path: path.into(),
        key: key.into(),
        found: found.to_string(),
        expected: expected.into(),
    })
}

/// Checks a manifest against itself.
pub(super) fn manifest(manifest: &Manifest, path: &Path) -> Result<(), StoreError> {
    check(
        manifest.schema == SCHEMA,
        path,
        "schema",
        manifest.schema,
        format!("this stillhouse writes {SCHEMA}"),
    )?;

    let file = &manifest.file;
    let plain = is_safe_path(&file.name) && !file.name.contains('/');
    check(
        plain,
        path,
        "file.name",
        quoted(&file.name),
        "a plain file name belongs here, e.g. `model.onnx`",
    )?;
    let digits = file.sha256.len() == 64
        && file
            .sha256
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    check(
        digits,
        path,
        "file.sha256",
        quoted(&file.sha256),
        "64 lower-case hexadecimal digits belong here",
    )?;
    check(
        file.size_bytes > 0,
        path,
        "file.size_bytes",
        0,
        "an empty file is no network",
    )?;

    check(
        !manifest.input.name.is_empty(),
        path,
        "input.name",
        "empty",
        "the graph's name for its input belongs here",
    )?;
    check(
        !manifest.output.name.is_empty(),
        path,
        "output.name",
        "empty",
        "the graph's name for its output belongs here",
    )?;
    manifest
        .transform
        .validate()
        .map_err(|source| StoreError::Transform {
            path: path.into(),
            source,
        })?;
    bytes_stay(manifest, path)?;
    let classes = manifest.output.classes;
    check(
        classes >= 2,
        path,
        "output.classes",
        classes,
        "a classifier has at least 2",
    )?;
    thresholds(&manifest.output, path)?;

    if let Some(training) = &manifest.training {
        let temperature = training.temperature.unwrap_or(1.0);
        let positive = temperature > 0.0 && temperature.is_finite();
        check(
            positive,
            path,
            "training.temperature",
            temperature,
            "a number above 0 belongs here",
        )?;
        share(training.alpha, path, "training.alpha")?;
        let created = training.created.as_deref();
        let readable = created.is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok());
        check(
            readable,
            path,
            "training.created",
            quoted(created.unwrap_or_default()),
            "a time belongs here, e.g. 2025-01-31T12:00:00Z",
        )?;
    }
    if let Some(reference) = &manifest.reference {
        self::reference(reference, &manifest.output, path)?;
    }

    check(
        manifest.golden.len() <= MAX_GOLDEN,
        path,
        "golden",
        manifest.golden.len(),
        format!("at most {MAX_GOLDEN} samples are kept"),
    )?;
    for (index, golden) in manifest.golden.iter().enumerate() {
        for (key, file) in [("image", &golden.image), ("outputs", &golden.outputs)] {
            let key = format!("golden[{index}].{key}");
            check(
                is_safe_path(file),
                path,
                &key,
                quoted(file),
                "a path below the version's directory belongs here, e.g. `golden/cat.png`",
            )?;
        }
        // A sample that anything would match checks nothing.
        let good = golden.tolerance >= 0.0 && golden.tolerance <= 0.1;
        check(
            good,
            path,
            &format!("golden[{index}].tolerance"),
            golden.tolerance,
            "a number from 0 to 0.1 belongs here",
        )?;
    }
    Ok(())
}

/// A network that reads bytes normalises them itself.
fn bytes_stay(manifest: &Manifest, path: &Path) -> Result<(), StoreError> {
    let transform = &manifest.transform;
    let all = |numbers: &[f32], right: f32| numbers.iter().all(|number| *number == right);
    let unchanged = transform.scale == 1.0 && all(&transform.mean, 0.0) && all(&transform.std, 1.0);
    check(
        manifest.input.element != Element::U8 || unchanged,
        path,
        "input.element",
        "`u8`",
        "the network normalises bytes itself: transform.scale is 1, transform.mean [0] and transform.std [1] then",
    )
}

fn thresholds(output: &Output, path: &Path) -> Result<(), StoreError> {
    let (key, thresholds) = ("output.thresholds", &output.thresholds);
    check(
        thresholds.is_empty() || output.kind.is_independent(),
        path,
        key,
        format!("{thresholds:?}"),
        "they belong to `kind = \"independent\"` alone: of exclusive classes the likeliest applies",
    )?;
    check(
        [0, 1, output.classes].contains(&thresholds.len()),
        path,
        key,
        format!("{} numbers", thresholds.len()),
        format!(
            "one number for all classes belongs here, or {}, one a class",
            output.classes
        ),
    )?;
    let bad = thresholds
        .iter()
        .find(|threshold| !(0.0..=1.0).contains(*threshold));
    check(
        bad.is_none(),
        path,
        key,
        format!("{bad:?}"),
        "a threshold is a probability, from 0 to 1",
    )
}

/// Checks a manifest against its model's labels.
pub(super) fn labels(manifest: &Manifest, labels: &Labels, path: &Path) -> Result<(), StoreError> {
    let classes = manifest.output.classes;
    check(
        classes == labels.len(),
        path,
        "output.classes",
        classes,
        format!("the model's labels.txt has {} labels", labels.len()),
    )
}

fn reference(
    reference: &manifest::Reference,
    output: &Output,
    path: &Path,
) -> Result<(), StoreError> {
    let classes = output.classes;
    check(
        reference.samples > 0,
        path,
        "reference.samples",
        0,
        "nothing is known from no picture: leave [reference] out",
    )?;
    let ratios = &reference.class_ratios;
    let key = "reference.class_ratios";
    check(
        ratios.len() == classes,
        path,
        key,
        format!("{} numbers", ratios.len()),
        format!("{classes} belong here, one a class"),
    )?;
    smoothed(ratios, path, key)?;
    let key = "reference.label_ratios";
    let labels = &reference.label_ratios;
    check(
        labels.is_empty() || (output.kind.is_independent() && labels.len() == classes),
        path,
        key,
        format!("{} numbers", labels.len()),
        format!("{classes} belong here with independent scores, one a class, and none otherwise"),
    )?;
    smoothed(labels, path, key)?;
    let key = "reference.class_ratios";
    let sum: f64 = ratios.iter().sum();
    check(
        (sum - 1.0).abs() <= 1e-6,
        path,
        key,
        format!("a list with the sum {sum}"),
        "shares sum to 1",
    )?;

    share(reference.accuracy, path, "reference.accuracy")?;
    share(reference.agreement, path, "reference.agreement")?;
    for (key, kl, most) in [
        (
            "reference.kl_mean_nats",
            reference.kl_mean_nats,
            f64::INFINITY,
        ),
        (
            "reference.kl_clipped_mean_nats",
            reference.kl_clipped_mean_nats,
            2.0,
        ),
    ] {
        let kl = kl.unwrap_or_default();
        check(
            kl.is_finite() && kl >= 0.0 && kl <= most,
            path,
            key,
            kl,
            format!("a number from 0 to {most:?} belongs here"),
        )?;
    }
    for (name, ventiles) in &reference.ventiles {
        let key = format!("reference.ventiles.{name}");
        check(
            WATCHED.contains(&name.as_str()),
            path,
            &key,
            "unknown",
            suggest(name, &WATCHED),
        )?;
        check(
            ventiles.len() == 19,
            path,
            &key,
            format!("{} numbers", ventiles.len()),
            "the 19 quantiles 5 %, 10 % ... 95 % belong here",
        )?;
        let good = ventiles.iter().all(|v| v.is_finite()) && ventiles.is_sorted();
        check(
            good,
            path,
            &key,
            format!("{ventiles:?}"),
            "quantiles are finite and never fall",
        )?;
    }
    for (name, tails) in &reference.tail_ratios {
        let key = format!("reference.tail_ratios.{name}");
        let known: Vec<&str> = reference.ventiles.keys().map(String::as_str).collect();
        check(
            known.contains(&name.as_str()),
            path,
            &key,
            "without quantiles",
            "a name of `reference.ventiles` belongs here",
        )?;
        let good = tails.iter().all(|share| *share > 0.0 && *share < 1.0);
        check(
            good,
            path,
            &key,
            format!("{tails:?}"),
            "shares are above 0 and below 1",
        )?;
    }
    Ok(())
}

fn share(value: Option<f64>, path: &Path, key: &str) -> Result<(), StoreError> {
    let value = value.unwrap_or_default();
    check(
        (0.0..=1.0).contains(&value),
        path,
        key,
        value,
        "a share from 0 to 1 belongs here",
    )
}

fn quoted(text: &str) -> String {
    let short: String = text
        .chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect();
    format!("`{short}`")
}
