//! The report as text with tables.

use std::fmt;

use super::{Percentiles, PhaseReport, Report};
use crate::text_table::text_table;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.phases(f)?;
        self.reasons(f)?;
        self.answers(f)?;
        self.events(f)?;
        self.costs(f)?;
        for check in &self.checks {
            writeln!(
                f,
                "{} {} ({})",
                if check.ok { "ok    " } else { "MISSED" },
                check.what,
                check.found
            )?;
        }
        if self.interrupted {
            writeln!(f, "interrupted: the results above are those until then")?;
        }
        Ok(())
    }
}

impl Report {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = &self.setting;
        let streams = match setting.streams {
            1 => String::new(),
            streams => format!(" of {streams} streams"),
        };
        writeln!(
            f,
            "{} over {}, {} connections{streams}; {} pictures of {} bytes on average, {} with a known label",
            setting.url,
            setting.protocol,
            setting.connections,
            setting.pictures,
            setting.picture_bytes / setting.pictures.max(1),
            setting.labelled
        )?;
        if let Some(reference) = self.reference_per_second {
            writeln!(f, "100 % is {reference:.0} requests/s")?;
        }
        Ok(())
    }

    fn phases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "phase",
            "load",
            "due/s",
            "answered/s",
            "refused",
            "failed",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
        ];
        let mut table = text_table(header);
        for phase in self.phases.iter().filter(|phase| phase.measured) {
            table.add_row(phase.row());
            let has_refusals = phase.refused > 0;
            for (name, percentiles) in [
                (
                    "  refusals",
                    phase.refusal_ms.as_ref().filter(|_| has_refusals),
                ),
                ("  generator late", phase.generator_late_ms.as_ref()),
            ] {
                if let Some(percentiles) = percentiles {
                    let mut row = vec![name.to_owned()];
                    row.resize(6, String::new());
                    row.extend(cells(Some(percentiles)));
                    table.add_row(row);
                }
            }
        }
        writeln!(f, "{table}")
    }

    fn reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in self.phases.iter().filter(|phase| phase.measured) {
            for reason in &phase.reasons {
                writeln!(
                    f,
                    "{}: {} times {}",
                    phase.name, reason.count, reason.reason
                )?;
                if !reason.example.is_empty() {
                    writeln!(f, "    for example {}", reason.example)?;
                }
            }
        }
        Ok(())
    }

    fn answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A run with many swaps has as many lines, of which the first and the last are shown.
        let (shown, seats) = (6, &self.seats);
        for (index, seat) in seats.iter().enumerate() {
            if index == shown && seats.len() > 2 * shown {
                writeln!(f, "... {} more", seats.len() - 2 * shown)?;
            }
            if index < shown || index + shown >= seats.len() {
                writeln!(
                    f,
                    "generation {}: {} answers by {} as {}",
                    seat.generation, seat.answers, seat.version, seat.role
                )?;
            }
        }
        for (ended, count) in self.slow_clients.iter().flatten() {
            writeln!(f, "slow clients: {count} times {ended}")?;
        }
        Ok(())
    }

    fn events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events.is_empty() {
            return Ok(());
        }
        let mut table = text_table([
            "at s",
            "event",
            "request",
            "status",
            "generation",
            "took ms",
        ]);
        for event in &self.events {
            table.add_row([
                format!("{:.2}", event.at_seconds),
                event.name.clone(),
                event.request.clone(),
                event
                    .status
                    .map_or_else(|| "-".into(), |status| status.to_string()),
                event.generation.clone().unwrap_or_else(|| "-".into()),
                format!("{:.1}", event.took_seconds * 1e3),
            ]);
        }
        writeln!(f, "{table}")
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = &self.generator;
        writeln!(
            f,
            "generator: {:.2} CPU-s, {:.1} us a request, {:.0} % of its {} thread{}",
            own.cpu_seconds,
            own.cpu_us_per_request,
            own.busy * 100.0,
            own.threads,
            if own.threads == 1 { "" } else { "s" }
        )?;
        for warning in &own.warnings {
            writeln!(f, "the generator: {warning}")?;
        }
        if let Some(server) = &self.server {
            write!(
                f,
                "server: {:.2} CPU-s, {:.1} us a request",
                server.cpu_seconds, server.cpu_us_per_request
            )?;
            if let Some(bytes) = server.resident_bytes {
                write!(f, ", {:.1} MB resident afterwards", bytes / 1e6)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl PhaseReport {
    fn row(&self) -> Vec<String> {
        let mut row = vec![
            self.name.clone(),
            self.load.clone(),
            format!("{:.1}", self.offered_per_second),
            format!("{:.1}", self.answered_per_second),
            self.refused.to_string(),
            (self.failed + self.never_sent).to_string(),
        ];
        row.extend(cells(self.latency_ms.as_ref()));
        row
    }
}

fn cells(percentiles: Option<&Percentiles>) -> Vec<String> {
    match percentiles {
        None => vec!["-".into(); 5],
        Some(percentiles) => percentiles
            .named()
            .iter()
            .map(|(_, ms)| format!("{ms:.3}"))
            .collect(),
    }
}
