//! `stillhouse evidence`

use std::{fmt::Write as _, io::Write};

use clap::Args;

use super::{
    tables::{safe, span, time, with_header},
    target::ReadTarget,
    watching::Watching,
};
use crate::control::{
    ClassReport, ClassesReport, EvidenceReport, HourReport, MetricReport, TrialReport, WealthReport,
};

#[derive(Args)]
pub(in crate::cli) struct Evidence {
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    target: ReadTarget,
}

impl Evidence {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let path = format!("/admin/models/{model}/evidence");
        let look = || client.get::<EvidenceReport>(&path);
        self.watching.run(self.target.server.json, out, look, text)
    }
}

fn text(report: &EvidenceReport) -> String {
    let mut text = String::new();
    match (&report.on_trial, &report.last) {
        (Some(trial), _) => text += &render_trial(trial),
        (None, Some(last)) => {
            let _ = writeln!(
                text,
                "{} has no canary; {} was {} at {} (generation {}). What was known then:",
                report.model,
                last.trial.canary,
                last.ending,
                time(last.time),
                last.generation
            );
            text += &render_trial(&last.trial);
        }
        (None, None) => {
            let _ = write!(
                text,
                "{} has no canary, and has had none since this server was started; `stillhouse canary start VERSION \
                 --automatic` begins one",
                report.model
            );
        }
    }
    text
}

fn render_trial(trial: &TrialReport) -> String {
    let anchor = match &trial.anchor {
        Some(anchor) => format!(" (and {anchor}, which a person approved last)"),
        None => String::new(),
    };
    let mut text = format!(
        "{}: canary {} beside {}{}, teacher {}; {}, share {} for {}, {} pairs and {} answers at it\n\
         about {} different pictures; the teacher was run {} times\n",
        trial.model,
        trial.canary,
        trial.stable,
        anchor,
        trial.teacher.as_deref().unwrap_or("none"),
        trial.plan,
        trial.share,
        span(trial.soaked_seconds),
        trial.step_pairs,
        trial.step_answers,
        trial.pictures,
        trial.teacher_runs
    );
    let mut table = with_header([
        "metric",
        "n",
        "canary less the other",
        "at least, at most",
        "by requests",
        "margin",
        "roll back at",
        "promote at",
    ]);
    for metric in &trial.metrics {
        table.add_row(row(metric));
    }
    let _ = writeln!(text, "{table}");
    if trial.metrics.iter().any(|metric| metric.bounds.is_some()) {
        text += "at least, at most: which margins the bets of the two tests have refuted, as valid as their verdicts, however often one looks\n";
    }
    text += &classes(&trial.classes);
    if trial.requests > 0 {
        let _ = writeln!(
            text,
            "by requests: {} sampled requests, which say as much as {:.0} of different pictures",
            trial.requests, trial.effective_sample
        );
    }
    text += &by_hour(&trial.hours);
    for (count, words) in [
        (
            trial.unseen_requests,
            "sampled requests came in minutes in which nothing was compared",
        ),
        (trial.non_finite, "answers weren't finite"),
        (trial.early_errors, "of the first answers were errors"),
        (
            trial.presumed_lost_pairs,
            "pairs may have been lost when the server was killed: they count as the worst possible against a promotion",
        ),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {words}");
        }
    }
    if trial.try_number > 1 {
        let _ = writeln!(
            text,
            "automatic try {} since a person last approved a version: each needs stronger evidence for a promotion",
            trial.try_number
        );
    }
    text += &verdict(trial);
    text
}

/// Empty where only one hour was seen: it would repeat the table above.
fn by_hour(hours: &[HourReport]) -> String {
    if hours.len() < 2 {
        return String::new();
    }
    let mut table = with_header(["hour (UTC)", "pairs", "disagreement, canary less stable"]);
    for hour in hours {
        table.add_row([
            format!("{:02}", hour.hour),
            hour.pairs.to_string(),
            format!("{:+.2}%", 100.0 * hour.disagreement),
        ]);
    }
    format!("{table}\n")
}

/// Whether a class of stable's answers is lost, and which classes can't be judged.
fn classes(classes: &ClassesReport) -> String {
    let Some(wealth) = &classes.roll_back else {
        return String::new();
    };
    let name = |class: &ClassReport| {
        let difference = class.difference.map(|d| format!("{:+.1}% ", 100.0 * d));
        let difference = difference.unwrap_or_default();
        format!("{} {difference}in {}", safe(&class.label), class.pairs)
    };
    let names = |classes: &[ClassReport], most: usize| -> String {
        let named: Vec<String> = classes.iter().take(most).map(name).collect();
        named.join(", ")
    };
    let margin = 100.0 * classes.margin;
    let mut text = format!(
        "by class of stable's answer, margin +{margin:.0}%: ln e {:.2} of {:.2}\n",
        wealth.log_e, wealth.needed_log_e
    );
    if !classes.worst.is_empty() {
        let _ = writeln!(text, "  most against it: {}", names(&classes.worst, 3));
    }
    let few = classes.with_too_few;
    if few > 0 {
        let who = if few == 1 {
            "class has"
        } else {
            "classes have"
        };
        let _ = write!(
            text,
            "  {few} {who} fewer than {} pairs, too few to say anything about: {}",
            classes.pairs_needed,
            names(&classes.too_few, 5)
        );
        text += if few > 5 { " …\n" } else { "\n" };
    }
    if classes.guarded_together > 0 {
        let _ = writeln!(
            text,
            "  the classes beyond the first 100 that were seen are guarded together: {} pairs",
            classes.guarded_together
        );
    }
    text
}

/// What the judge makes of it, with its reasons.
pub(super) fn verdict(trial: &TrialReport) -> String {
    let mut text = format!("verdict: {}", trial.decision.replace('_', " "));
    for reason in &trial.reasons {
        let _ = write!(text, "\n  {}", safe(reason));
    }
    text
}

fn row(metric: &MetricReport) -> [String; 8] {
    let (scale, unit) = match metric.unit.as_str() {
        "share" => (100.0, "%"),
        "nats" => (1.0, " nats"),
        _ => (1.0, " times"),
    };
    let digits = if scale > 1.0 { 2 } else { 4 };
    let sign = |value: f64| match unit {
        " times" => format!("{value:.2}{unit}"),
        _ => format!("{:+.digits$}{unit}", value * scale),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        metric.metric.clone(),
        metric.observations.to_string(),
        or_none(metric.estimate.map(sign)),
        or_none(
            metric.bounds.map(|[low, high]| {
                format!("{:+.digits$}, {:+.digits$}", low * scale, high * scale)
            }),
        ),
        or_none(metric.request_weighted.map(sign)),
        sign(metric.margin),
        or_none(metric.roll_back.as_ref().map(wealth)),
        or_none(metric.promotion.as_ref().map(wealth)),
    ]
}

/// ln e of what decides.
fn wealth(wealth: &WealthReport) -> String {
    format!("ln e {:.2} of {:.2}", wealth.log_e, wealth.needed_log_e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_shown_once_there_are_two() {
        let hour = |hour, pairs, disagreement| HourReport {
            hour,
            pairs,
            disagreement,
        };
        assert_eq!(by_hour(&[hour(7, 3, 0.0)]), "");
        let text = by_hour(&[hour(4, 120, 0.0801), hour(13, 900, -0.001)]);
        for part in ["04", "120", "+8.01%", "13", "-0.10%"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
