//! What this program is: version, revision, engines, JPEG back end. The banner, `--version` and `stillhouse_build_info` say
//! the same.

use std::sync::LazyLock;

use stillhouse_engine::Backend;

use crate::metrics::Metrics;

/// The version's number.
pub const SHORT: &str = env!("CARGO_PKG_VERSION");

/// The source's revision, where the build knows it: `STILLHOUSE_REVISION=$(git rev-parse --short HEAD) cargo build`.
pub const REVISION: Option<&str> = match option_env!("STILLHOUSE_REVISION") {
    // As a build argument that nobody gave.
    Some(revision) if !revision.is_empty() => Some(revision),
    _ => None,
};

/// The engines that are compiled in.
pub fn engines() -> String {
    let names: Vec<String> = Backend::compiled_in()
        .iter()
        .map(Backend::to_string)
        .collect();
    names.join(", ")
}

/// For `--version`: several lines.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{SHORT}\nrevision: {}\nengines:  {}\njpeg:     {}",
            REVISION.unwrap_or("unknown"),
            engines(),
            crate::image::JPEG_BACK_END
        )
    });
    &LONG
}

/// For the banner: in one line.
pub fn line() -> String {
    let revision = REVISION.map_or_else(String::new, |revision| format!("revision {revision}; "));
    format!(
        "{SHORT} ({revision}engines {}; JPEG by {})",
        engines(),
        crate::image::JPEG_BACK_END
    )
}

/// `stillhouse_build_info`, whose value is always 1: its labels are what counts.
pub fn announce(metrics: &Metrics) {
    let info = metrics.gauges(
        "build_info",
        "What this program is; always 1.",
        &["version", "revision", "engines", "jpeg"],
    );
    let labels = [
        SHORT,
        REVISION.unwrap_or("unknown"),
        &engines(),
        crate::image::JPEG_BACK_END,
    ];
    info.with_label_values(&labels).set(1);
}
