//! The built-in scenarios.

use std::path::Path;

use anyhow::Context;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Name and text.
        pub(crate) const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),+];
    };
}

shipped![
    "steady",
    "ramp",
    "burst",
    "overload",
    "swap",
    "load-version",
    "canary-ramp",
    "slow-clients",
];

/// The text of a built-in scenario, or of a file.
pub(crate) fn find(name: &str) -> anyhow::Result<String> {
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok((*text).to_owned());
    }
    std::fs::read_to_string(Path::new(name)).with_context(|| {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        format!(
            "`{name}` is neither a readable file nor a built-in scenario: {}",
            names.join(", ")
        )
    })
}
