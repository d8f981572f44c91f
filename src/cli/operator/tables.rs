//! What the verbs show.

use std::fmt::Write;

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use jiff::Timestamp;

use crate::{
    cli::escape,
    http::admin::{ChangedView, DeploymentView, StuckThread},
    rollout::{Assignment, Plan, Role},
    store::VersionName,
};

/// ln 1000: honest callers and an honest split come this far in one stream of a thousand.
const ALARM_LOG_E: f64 = 6.907_755_278_982_137;

/// An empty table with this header, as wide as the terminal at most; longer cells have several lines.
pub(super) fn with_header<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .set_header(header);
    table
}

/// Of the terminal; `COLUMNS` overrides it. What is read from a file or a pipe shall fit everywhere.
fn width() -> u16 {
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    let terminal = || {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col)
    };
    columns.or_else(terminal).unwrap_or(80).max(40)
}

/// A moment, to the second.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A length of time as people say it.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// Text that a person wrote, in one line: escaped before a table's widths are computed, where `output` would come too late.
pub(super) fn safe(text: &str) -> String {
    escape::line(text).into_owned()
}

/// The places of an assignment, with who fills them.
fn places(assignment: &Assignment) -> [(&'static str, String); 5] {
    let role = |role: Role| {
        let version = assignment.filling(role).map(|version| {
            let share = assignment.split.of(role);
            match (role, assignment.plan) {
                (Role::Canary, Plan::Automatic) => format!("{version} {share}, automatic"),
                _ => format!("{version} {share}"),
            }
        });
        (role.as_str(), version.unwrap_or_else(|| "-".into()))
    };
    let previous = assignment.previous.as_ref().map(VersionName::to_string);
    [
        role(Role::Stable),
        role(Role::Canary),
        role(Role::Teacher),
        ("previous", previous.unwrap_or_else(|| "-".into())),
        ("generation", assignment.generation.to_string()),
    ]
}

/// Who fills which place.
pub(super) fn assignment(assignment: &Assignment) -> Table {
    let mut table = with_header(["role", "now"]);
    for (place, now) in places(assignment) {
        table.add_row([place, &now]);
    }
    table
}

/// Before and after.
pub(super) fn changed(view: &ChangedView) -> String {
    if !view.changed {
        return format!("{}: nothing to do, it is so already", view.model);
    }
    let (title, after) = match view.dry_run {
        true => ("this would change (nothing was changed)", "would be"),
        false => ("changed", "after"),
    };
    let mut table = with_header(["role", "before", after]);
    for ((place, before), (_, after)) in places(&view.before).iter().zip(places(&view.after)) {
        table.add_row([*place, before, &after]);
    }
    format!("{}: {title}\n{table}", view.model)
}

/// Who answers for a model, what the split promised and what it gave.
pub(super) fn deployment(view: &DeploymentView) -> String {
    let assignment = &view.assignment;
    let mut text = format!("{}, generation {}", view.model, assignment.generation);
    if let Some(previous) = &assignment.previous {
        let _ = write!(text, ", previous {previous}");
    }
    if let Some(anchor) = &assignment.anchor {
        let _ = write!(text, ", {anchor} approved last by a person");
    }
    if assignment.plan == Plan::Automatic {
        text += ", the judge leads the canary";
    }
    let drawn: u64 = view.seats.iter().map(|seat| seat.drawn).sum();
    let mut table = with_header(["role", "version", "share", "drawn", "observed", "engine"]);
    for seat in &view.seats {
        let observed = match drawn {
            0 => "-".to_owned(),
            _ => format!("{:.2}%", 100.0 * seat.drawn as f64 / drawn as f64),
        };
        table.add_row([
            seat.seat.role.as_str(),
            &seat.seat.version,
            &seat.share.to_string(),
            &seat.drawn.to_string(),
            &observed,
            &seat.seat.engine,
        ]);
    }
    let _ = write!(text, "\n{table}");
    if let Some(warning) = sample_ratio(view.sample_ratio_log_e) {
        let _ = write!(text, "\nwarning: {warning}");
    }
    for stuck in &view.stuck_threads {
        let StuckThread {
            version,
            work,
            seconds,
        } = stuck;
        let _ = write!(
            text,
            "\nwarning: a thread ({work}) has been stuck in a run of {} for {seconds} s and can't be stopped; it runs on \
             idle cores only, and ends with the process",
            safe(version)
        );
    }
    text
}

/// JSON has no infinity: none is what a role got that was promised nothing.
fn sample_ratio(log_e: Option<f64>) -> Option<String> {
    let evidence = match log_e {
        Some(log_e) if log_e <= ALARM_LOG_E => return None,
        Some(log_e) => format!("ln of the evidence is {log_e:.1}, chance alone stays below 6.9"),
        None => "a role without a share got requests".to_owned(),
    };
    Some(format!(
        "the roles don't get the shares they were promised ({evidence}): keys that aren't evenly spread, or a proxy \
         that chooses; comparisons between the roles can't be trusted"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_evidence_warns() {
        for (log_e, words) in [
            (Some(-3.0), None),
            (Some(6.9), None),
            (Some(7.0), Some("7.0")),
            (None, Some("without a share")),
        ] {
            let warning = sample_ratio(log_e);
            assert_eq!(warning.is_some(), words.is_some(), "{log_e:?}");
            assert!(warning.is_none_or(|text| text.contains(words.unwrap_or_default())));
        }
        assert_eq!(ALARM_LOG_E, 1000f64.ln());
    }

    #[test]
    fn reasons_cannot_move_the_cursor() {
        assert_eq!(safe("so\u{1b}[2Jwhat\n"), r"so\u001b[2Jwhat\u000a");
    }
}
