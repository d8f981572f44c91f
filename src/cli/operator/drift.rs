//! `stillhouse drift`

use std::{fmt::Write as _, io::Write};

use clap::Args;

use super::{tables::with_header, target::ReadTarget, watching::Watching};
use crate::{
    http::admin::DriftView,
    shadow::report::{Measured, Moved, RoleDrift, Shifted},
};

#[derive(Args)]
pub(in crate::cli) struct Drift {
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    target: ReadTarget,
}

impl Drift {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let path = format!("/admin/models/{model}/drift");
        let look = || client.get::<DriftView>(&path);
        self.watching.run(self.target.server.json, out, look, text)
    }
}

fn text(view: &DriftView) -> String {
    let teacher = view.teacher.as_deref();
    let mut text = format!(
        "{}, generation {}, the last hour beside {}",
        view.model,
        view.generation,
        teacher.unwrap_or("no teacher: only the predictions can be compared, with the reference")
    );
    for role in &view.roles {
        let _ = write!(text, "\n\n{} {}\n{}", role.role, role.version, values(role));
        let answers = role.predictions.iter().chain(&role.labels);
        let shifted: Vec<&Shifted> = answers.chain(&role.inputs).collect();
        if shifted.is_empty() {
            text += "\nits manifest has no reference: `stillhouse import --reference …` or `stillhouse-distill reference` makes one";
            continue;
        }
        let _ = write!(text, "\n{}", shifts(&shifted));
        for detected in role.detectors.iter().filter(|detected| detected.alarm) {
            let _ = write!(
                text,
                "\nalarm: {} isn't what it was when {} became stable",
                detected.metric, role.version
            );
        }
    }
    text
}

fn values(role: &RoleDrift) -> comfy_table::Table {
    let mut table = with_header([
        "beside the teacher",
        "pairs",
        "value",
        "95% interval, for one look",
        "at validation",
        "mostly from",
    ]);
    let rows: [(&str, &Measured, bool, &[Moved]); 5] = [
        ("agreement", &role.agreement, true, &[]),
        ("divergence", &role.divergence, false, &role.by_class),
        (
            "at its temperature",
            &role.divergence_at_temperature,
            false,
            &[],
        ),
        ("teacher's in first 5", &role.top5_containment, true, &[]),
        ("calibration error", &role.calibration_error, true, &[]),
    ];
    for (name, measured, is_share, moved) in rows {
        let number = |value: f64| match is_share {
            true => format!("{:.2}%", 100.0 * value),
            false => format!("{value:.4} nats"),
        };
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let mostly: Vec<&str> = moved.iter().take(3).map(|moved| &*moved.name).collect();
        table.add_row([
            name.to_owned(),
            measured.observations.to_string(),
            or_none(measured.value.map(number)),
            or_none(
                measured
                    .interval
                    .map(|[low, high]| format!("{} to {}", number(low), number(high))),
            ),
            or_none(measured.reference.map(number)),
            mostly.join(", "),
        ]);
    }
    table
}

fn shifts(shifted: &[&Shifted]) -> comfy_table::Table {
    let mut table = with_header([
        "beside the reference",
        "n",
        "KL",
        "noise alone",
        "verdict",
        "mostly from",
    ]);
    for shift in shifted {
        let verdict = match (shift.alarm, shift.noise_nats) {
            (true, _) => "moved",
            (false, Some(noise)) if shift.kl_nats > noise => "beyond noise, not enough to matter",
            (false, Some(_)) => "noise",
            (false, None) => "nothing counted",
        };
        let moved = shift.noise_nats.is_some_and(|noise| shift.kl_nats > noise);
        let mostly = shift.moved.iter().take(2).filter(|_| moved);
        let mostly: Vec<String> = mostly.map(part).collect();
        let noise = shift.noise_nats.map(|noise| format!("up to {noise:.4}"));
        table.add_row([
            shift.name.clone(),
            shift.observations.to_string(),
            format!("{:.4}", shift.kl_nats),
            noise.unwrap_or_else(|| "-".into()),
            verdict.to_owned(),
            mostly.join("; "),
        ]);
    }
    table
}

/// `Bag: 20.1% instead of 10.0%`
fn part(moved: &Moved) -> String {
    match (moved.share, moved.reference_share) {
        (Some(share), Some(reference)) => format!(
            "{}: {:.1}% instead of {:.1}%",
            moved.name,
            100.0 * share,
            100.0 * reference
        ),
        _ => moved.name.clone(),
    }
}
