//! SIGHUP: the configuration is read again, and what of it can change while the server runs takes effect.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::Serve;
use crate::{app::Rereadable, cli::log::LogFilter, config::Config};

/// What a reread changes; everything else takes a restart.
const TAKES_EFFECT: [&str; 2] = ["admin.tokens_file", "log.filter"];

/// Rereads at each signal, for as long as the server runs.
pub(super) async fn run(
    mut signals: mpsc::Receiver<()>,
    serve: Arc<Serve>,
    running: Config,
    rereadable: Rereadable,
    filter: LogFilter,
) {
    while signals.recv().await.is_some() {
        // Nothing is changed unless all of it can be.
        match serve
            .config()
            .map_err(anyhow::Error::from)
            .and_then(|config| {
                let tokens = crate::app::admission(&config)?;
                filter.set(&config.log.filter)?;
                rereadable.apply(tokens);
                Ok(config)
            }) {
            Ok(config) => {
                let needs_restart = changed(&running, &config);
                tracing::info!(
                    log_filter = config.log.filter,
                    needs_restart = needs_restart.join(" "),
                    "reread: tokens, log filter and repository"
                );
            }
            Err(error) => tracing::error!(
                error = crate::cli::joined_causes(&error),
                "nothing was reread: everything stays as it was"
            ),
        }
    }
}

/// The keys of the configuration that differ from the running one and aren't reread.
fn changed(running: &Config, now: &Config) -> Vec<String> {
    let value = |config| serde_json::to_value(config).unwrap_or_default();
    let mut found = Vec::new();
    differences("", &value(running), &value(now), &mut found);
    found.retain(|key| !TAKES_EFFECT.contains(&key.as_str()));
    found
}

fn differences(key: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        if before != after {
            found.push(key.to_owned());
        }
        return;
    };
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let below = match key {
            "" => name.clone(),
            key => format!("{key}.{name}"),
        };
        let side = |side: &serde_json::Map<String, Value>| side.get(name).cloned();
        let (before, after) = (side(before), side(after));
        differences(
            &below,
            &before.unwrap_or_default(),
            &after.unwrap_or_default(),
            found,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d11_what_a_reread_does_not_change_is_named() {
        let running = Config::default();
        let mut now = running.clone();
        now.log.filter = "debug".into();
        now.admin.tokens_file = "elsewhere".into();
        assert_eq!(changed(&running, &now), [""; 0]);
        now.batch.queue += 1;
        now.models.entry("toy".into()).or_default();
        assert_eq!(changed(&running, &now), ["batch.queue", "models.toy"]);
    }
}
