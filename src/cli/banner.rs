//! What `serve` prints when it is ready: addresses, the deployed versions, and a command to try.

use std::fmt::Write;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

use crate::app::{App, version_info};

pub(super) fn text(app: &App) -> anyhow::Result<String> {
    let (data, admin) = app.addresses()?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "model", "role", "version", "sha256", "engine", "batch", "workers",
    ]);
    for model in app.registry().iter() {
        for seat in model.slot.load().seats() {
            let version = &seat.version;
            table.add_row([
                &*model.task.name,
                seat.role.as_str(),
                &version.name,
                version.sha256_prefix(),
                &version.engine,
                &version.batching.policy.max_batch.to_string(),
                &version.batching.workers.to_string(),
            ]);
        }
    }
    let mut text = String::new();
    writeln!(text, "stillhouse {} answers", version_info::line())?;
    writeln!(
        text,
        "  predictions  http://{data}/predict   (docs at http://{data}/docs)"
    )?;
    writeln!(text, "  metrics      http://{admin}/metrics")?;
    writeln!(
        text,
        "  operators    http://{admin}/admin/models   (or `stillhouse status`)"
    )?;
    writeln!(text, "{table}")?;
    let path = match (app.registry().default_model(), app.registry().iter().next()) {
        (None, Some(model)) => format!("/models/{}/predict", model.task.name),
        _ => "/predict".to_owned(),
    };
    let picture = app
        .sample()
        .map_or("picture.png".into(), |path| path.display().to_string());
    writeln!(
        text,
        "Try it:\n  curl -sS --data-binary @{picture} http://{data}{path}"
    )?;
    Ok(text)
}
