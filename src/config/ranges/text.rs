//! Keys whose value is text: what the text must be.

use stillhouse_engine::Device;
use tracing_subscriber::EnvFilter;

use crate::store::{ModelName, VersionName};

/// Where the type has checked all there is to check, or the disk does later.
pub(super) fn any(_: &str) -> Result<(), String> {
    Ok(())
}

pub(super) fn path(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("is empty: a path belongs here".into()),
        false => Ok(()),
    }
}

/// Models and versions are named alike.
pub(super) fn name(text: &str) -> Result<(), String> {
    let model = text.parse::<ModelName>().map(drop);
    let version = text.parse::<VersionName>().map(drop);
    model.and(version).map_err(|error| error.to_string())
}

pub(super) fn name_or_empty(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Ok(()),
        false => name(text),
    }
}

/// A header's or cookie's name: a token of RFC 9110.
pub(super) fn header_or_empty(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match text.chars().all(fits) {
        true => Ok(()),
        false => Err(format!(
            "{text:?} is no name of a header or cookie: it has letters, digits and hyphens"
        )),
    }
}

pub(super) fn backend(text: &str) -> Result<(), String> {
    match text {
        "auto" | "onnxruntime" | "tract" => Ok(()),
        _ => Err(format!(
            "`{text}` is no engine: write `auto`, `onnxruntime` or `tract`"
        )),
    }
}

pub(super) fn device(text: &str) -> Result<(), String> {
    text.parse::<Device>().map(drop)
}

pub(super) fn log_filter(text: &str) -> Result<(), String> {
    // `EnvFilter` takes any word for the name of a module, so a misspelt level would silence the log.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let word = |part: &str| part.chars().all(|c| c.is_ascii_alphabetic());
    for part in text.split(',').map(str::trim) {
        let number = part.parse::<u8>().is_ok_and(|number| number <= 5);
        let level = levels.iter().any(|level| level.eq_ignore_ascii_case(part));
        if part.is_empty() || word(part) && !level && !number {
            return Err(format!(
                "`{part}` is no level of the log: write {}, or levels by module, as in \"stillhouse=debug,info\"",
                levels.join(", ")
            ));
        }
    }
    EnvFilter::try_new(text)
        .map(drop)
        .map_err(|error| error.to_string())
}
