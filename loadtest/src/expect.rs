//! The expectations of a run, and whether its measurements meet them (pure).

use std::{str::FromStr, time::Duration};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    quantity::{Share, Time},
    tally::PhaseTally,
};

/// A latency objective: upper limits of percentiles, written `p99=20ms,p99.9=100ms`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Slo(Vec<LatencyLimit>);

#[derive(Clone, Debug, PartialEq)]
struct LatencyLimit {
    /// As the user wrote it, such as p99.9.
    name: String,
    quantile: f64,
    at_most: Duration,
}

/// What one phase must meet. Without `phase` it applies to every measured phase that has no expectation of its own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expectation {
    pub phase: Option<String>,
    /// Latency limits of answers.
    pub slo: Slo,
    /// Latency limits of refusals.
    pub refused_slo: Slo,
    /// The largest allowed share of the requests that were due.
    pub failed: Share,
    pub refused: Share,
    /// Answers per second: at least this share of the reference rate.
    pub goodput: Option<Share>,
    /// p99 relative to another phase.
    pub p99_over: Option<RelativeP99>,
}

/// An upper limit of p99 as a multiple of another phase's p99.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelativeP99 {
    pub phase: String,
    pub times: f64,
}

/// The measurements of one phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeasuredPhase<'a> {
    pub name: &'a str,
    pub seconds: f64,
    pub tally: &'a PhaseTally,
}

/// One expectation and whether it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CheckResult {
    pub what: String,
    pub ok: bool,
    /// The measured value, as text.
    pub found: String,
}

/// Compares every measured phase with its expectation, or with the default: no failures and no refusals.
///
/// `reference` is the rate in requests/s that shares refer to.
pub(crate) fn judge(
    expectations: &[Expectation],
    phases: &[MeasuredPhase],
    reference: Option<f64>,
) -> Vec<CheckResult> {
    let general = expectations
        .iter()
        .find(|one| one.phase.is_none())
        .cloned()
        .unwrap_or_default();
    let mut checks = Vec::new();
    for phase in phases {
        let named = |one: &&Expectation| one.phase.as_deref() == Some(phase.name);
        let expectation = expectations.iter().find(named).unwrap_or(&general);
        expectation.judge(phase, phases, reference, &mut checks);
    }
    checks
}

impl Expectation {
    fn judge(
        &self,
        phase: &MeasuredPhase,
        phases: &[MeasuredPhase],
        reference: Option<f64>,
        checks: &mut Vec<CheckResult>,
    ) {
        let (name, tally) = (phase.name, phase.tally);
        let offered = tally.offered();
        let mut add = |what: String, ok: bool, found: String| {
            checks.push(CheckResult {
                what: format!("{name}: {what}"),
                ok,
                found,
            });
        };
        if offered == 0 {
            add("something is sent".into(), false, "nothing was due".into());
            return;
        }
        for (word, most, count) in [
            ("failed", self.failed, tally.failed + tally.given_up),
            ("refused", self.refused, tally.refused.len()),
        ] {
            let share = count as f64 / offered as f64;
            let what = match most.0 {
                0.0 => format!("nothing {word}"),
                _ => format!("at most {most} {word}"),
            };
            add(what, share <= most.0, format!("{count} of {offered}"));
        }
        for (what, slo, latencies) in [
            ("", &self.slo, &tally.answered),
            ("refusals' ", &self.refused_slo, &tally.refused),
        ] {
            for limit in &slo.0 {
                let wanted = format!(
                    "{what}{} at most {}",
                    limit.name,
                    milliseconds(limit.at_most)
                );
                // Without refusals their limit is met; without answers theirs is not.
                let found = quantile(latencies, limit.quantile);
                let ok = found.map_or(!what.is_empty(), |found| found <= limit.at_most);
                add(
                    wanted,
                    ok,
                    found.map_or_else(|| "none".into(), milliseconds),
                );
            }
        }
        if let Some(goodput) = self.goodput {
            let per_second = tally.answered.len() as f64 / phase.seconds;
            let least = reference.map(|reference| reference * goodput.0);
            let what = format!("answers at least {goodput} of the reference");
            let of = least.map_or_else(
                || "no reference".into(),
                |least| format!("{least:.0}/s wanted"),
            );
            let ok = least.is_some_and(|least| per_second >= least);
            add(what, ok, format!("{per_second:.0}/s, {of}"));
        }
        if let Some(over) = &self.p99_over {
            let base = phases.iter().find(|other| other.name == over.phase);
            let base = base.and_then(|base| quantile(&base.tally.answered, 0.99));
            let own = quantile(&tally.answered, 0.99);
            let times = own
                .zip(base)
                .map(|(own, base)| own.as_secs_f64() / base.as_secs_f64());
            let what = format!("p99 at most {} times that of `{}`", over.times, over.phase);
            let found =
                times.map_or_else(|| "no answers".into(), |times| format!("{times:.2} times"));
            add(what, times.is_some_and(|times| times <= over.times), found);
        }
    }
}

/// A quantile (0 to 1) of latencies in nanoseconds; `None` if nothing was recorded.
pub(crate) fn quantile(latencies: &Histogram<u64>, quantile: f64) -> Option<Duration> {
    let found = || Duration::from_nanos(latencies.value_at_quantile(quantile));
    (!latencies.is_empty()).then(found)
}

fn milliseconds(time: Duration) -> String {
    // Three significant digits.
    let ms = time.as_secs_f64() * 1e3;
    let decimals = (2 - ms.max(1e-3).log10().floor() as i32).max(0) as usize;
    format!("{ms:.decimals$} ms")
}

impl FromStr for Slo {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let limit = |part: &str| -> anyhow::Result<LatencyLimit> {
            let (name, time) = part
                .split_once('=')
                .with_context(|| format!("`{part}` is no objective: write it like p99=20ms"))?;
            let name = name.trim();
            let quantile = match name.strip_prefix('p') {
                Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
                None => (name == "max").then_some(1.0),
            };
            let quantile = quantile.with_context(|| {
                format!("`{name}` is no percentile: write p50, p99, p99.9 or max")
            })?;
            ensure!(
                (0.0..=1.0).contains(&quantile),
                "`{name}` is beyond p0 to p100"
            );
            let Time(at_most) = time.trim().parse()?;
            Ok(LatencyLimit {
                name: name.to_owned(),
                quantile,
                at_most,
            })
        };
        text.split(',')
            .map(limit)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for Slo {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Outcome, Tally};

    const MS: u64 = 1_000_000;

    /// Answers after 1, 2 … 100 ms, and so many refusals after 7 ms and failures.
    fn tally(refused: u64, failed: u64) -> PhaseTally {
        let mut tally = Tally::new(1, Duration::from_secs(1));
        for ms in 1..=100 {
            tally.done(0, 0, ms * MS, Outcome::Answered);
        }
        (0..refused).for_each(|_| tally.done(0, 0, 7 * MS, Outcome::Refused));
        (0..failed).for_each(|_| tally.done(0, 0, 7 * MS, Outcome::Failed));
        tally.phases.remove(0)
    }

    fn judged(expectation: &str, tally: &PhaseTally) -> Vec<String> {
        let expectation = toml::from_str(expectation).expect("an expectation");
        let calm = self::tally(0, 0);
        let phases = [
            MeasuredPhase {
                name: "it",
                seconds: 2.0,
                tally,
            },
            MeasuredPhase {
                name: "calm",
                seconds: 2.0,
                tally: &calm,
            },
        ];
        judge(&[expectation], &phases, Some(60.0))
            .iter()
            .filter(|check| check.what.starts_with("it:"))
            .map(|check| {
                format!(
                    "{} {} ({})",
                    if check.ok { "+" } else { "-" },
                    check.what,
                    check.found
                )
            })
            .collect()
    }

    #[test]
    fn by_default_nothing_may_fail_or_be_refused() {
        assert_eq!(
            judged("", &tally(0, 0)),
            [
                "+ it: nothing failed (0 of 100)",
                "+ it: nothing refused (0 of 100)"
            ]
        );
        assert_eq!(
            judged("", &tally(1, 2)),
            [
                "- it: nothing failed (2 of 103)",
                "- it: nothing refused (1 of 103)"
            ]
        );
        assert_eq!(
            judged("failed = '2%'\nrefused = '1%'", &tally(2, 2)),
            [
                "+ it: at most 2 % failed (2 of 104)",
                "- it: at most 1 % refused (2 of 104)"
            ]
        );
    }

    #[test]
    fn objectives_are_judged_by_their_percentile() {
        let found = judged("slo = 'p50=50.1ms, p99=98ms, max=101ms'", &tally(0, 0));
        assert_eq!(
            found[2..],
            [
                "+ it: p50 at most 50.1 ms (50.0 ms)",
                "- it: p99 at most 98.0 ms (99.0 ms)",
                "+ it: max at most 101 ms (100 ms)",
            ]
        );
        let found = judged("refused_slo = 'p99=5ms'\nrefused = '100%'", &tally(3, 0));
        assert_eq!(found[2], "- it: refusals' p99 at most 5.00 ms (7.00 ms)");
        let found = judged("refused_slo = 'p99=5ms'", &tally(0, 0));
        assert_eq!(found[2], "+ it: refusals' p99 at most 5.00 ms (none)");
    }

    #[test]
    fn goodput_and_other_phases_are_what_it_is_held_against() {
        let found = judged(
            "goodput = '80%'\np99_over = { phase = 'calm', times = 1.0 }",
            &tally(0, 0),
        );
        assert_eq!(
            found[2..],
            [
                "+ it: answers at least 80 % of the reference (50/s, 48/s wanted)",
                "+ it: p99 at most 1 times that of `calm` (1.00 times)",
            ]
        );
        assert!(judged("goodput = '90%'", &tally(0, 0))[2].starts_with("- it"));
        assert!(
            judged("p99_over = { phase = 'calm', times = 0.9 }", &tally(0, 0))[2]
                .starts_with("- it")
        );
    }

    #[test]
    fn no_answers_meet_no_objective() {
        let none = Tally::new(1, Duration::from_secs(1)).phases.remove(0);
        assert_eq!(
            judged("slo = 'p99=1s'", &none),
            ["- it: something is sent (nothing was due)"]
        );
        let mut refused = Tally::new(1, Duration::from_secs(1));
        refused.done(0, 0, MS, Outcome::Refused);
        let found = judged("slo = 'p99=1s'\nrefused = '100%'", &refused.phases[0]);
        assert_eq!(found[2], "- it: p99 at most 1000 ms (none)");
    }

    #[test]
    fn wrong_objectives_say_what_is_right() {
        for (wrong, says) in [
            ("p99", "p99=20ms"),
            ("99=20ms", "p99.9 or max"),
            ("p101=20ms", "p0 to p100"),
            ("p99=20", "20ms"),
        ] {
            let error = wrong.parse::<Slo>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
