//! Why, in words a person can read.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{ClassFound, Events, Metric};
use stillhouse_drift::sequential::Compared;

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentences below say what each number is")]
pub enum Reason {
    /// Outputs that aren't finite.
    NonFinite { answers: u64, limit: u64 },
    /// Errors at the very beginning.
    EarlyErrors { errors: u64, first_answers: u64 },
    /// Beyond the margin.
    Worse {
        metric: Metric,
        compared: Compared,
        log_e: f64,
        needed_log_e: f64,
    },
    /// A class of stable's answers is lost.
    ClassLost {
        worst: ClassFound,
        log_e: f64,
        needed_log_e: f64,
    },
    /// More events than stable's rate allows.
    MoreEvents {
        metric: Metric,
        events: Events,
        needed_log_e: f64,
    },
    /// A restart.
    EvidenceLost,
    /// The split isn't what was configured.
    SampleRatio { log_e: f64, alarm_log_e: f64 },
    /// No pairs come.
    Starved,
    /// Too old.
    Overdue {
        age_seconds: u64,
        maximum_seconds: u64,
    },
    /// Not long enough at this share.
    Soaking {
        soaked_seconds: u64,
        soak_seconds: u64,
    },
    /// Not enough pairs at this share.
    FewStepPairs { pairs: u64, needed: u64 },
    /// Not enough answers at this share.
    FewStepAnswers { answers: u64, needed: u64 },
    /// Not enough pairs in all.
    FewPairs {
        metric: Metric,
        pairs: u64,
        needed: u64,
    },
    /// Not yet shown to be within the margin.
    Unproven {
        metric: Metric,
        compared: Compared,
        log_e: f64,
        needed_log_e: f64,
    },
    /// Shown to be within the margin.
    Proven {
        metric: Metric,
        compared: Compared,
        log_e: f64,
        needed_log_e: f64,
    },
    /// Long and often enough at this share, and nothing against it.
    Soaked { soaked_seconds: u64, pairs: u64 },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonFinite { answers, limit } => write!(
                f,
                "{answers} answers of the canary weren't finite: {limit} end it"
            ),
            Self::EarlyErrors { errors, first_answers } => write!(
                f,
                "{errors} of the canary's first {first_answers} answers were errors"
            ),
            Self::Worse { metric, compared, log_e, needed_log_e } => write!(
                f,
                "{metric}: worse than the margin allows, {} where {} decide; {}",
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::ClassLost { worst, log_e, needed_log_e } => write!(
                f,
                "classes: one has lost more than the margin allows, {} where {} decide; {worst}",
                Odds(*log_e),
                Odds(*needed_log_e)
            ),
            Self::MoreEvents { metric, events, needed_log_e } => write!(
                f,
                "{metric}: more often than the margin allows, {} where {} decide; {} of {} of the canary's requests, {} of {} of stable's",
                Odds(events.log_e),
                Odds(*needed_log_e),
                events.canary.events,
                events.canary.requests,
                events.stable.events,
                events.stable.requests
            ),
            Self::EvidenceLost => f.write_str(
                "a restart lost evidence: what is left is not taken as favourable, an operator must decide or begin again",
            ),
            Self::SampleRatio { log_e, alarm_log_e } => write!(
                f,
                "the roles don't get the shares they were promised, {} where {} alarm: the split is broken, or callers choose",
                Odds(*log_e),
                Odds(*alarm_log_e)
            ),
            Self::Starved => f.write_str("shadows are starved: no pairs come to judge by"),
            Self::Overdue { age_seconds, maximum_seconds } => write!(
                f,
                "undecided for {}, at most {} are allowed: an operator must decide",
                Span(*age_seconds),
                Span(*maximum_seconds)
            ),
            Self::Soaking { soaked_seconds, soak_seconds } => write!(
                f,
                "{} of {} at this share",
                Span(*soaked_seconds),
                Span(*soak_seconds)
            ),
            Self::FewStepPairs { pairs, needed } => {
                write!(f, "{pairs} of {needed} pairs at this share")
            }
            Self::FewStepAnswers { answers, needed } => {
                write!(f, "{answers} of {needed} answers at this share")
            }
            Self::FewPairs { metric, pairs, needed } => {
                write!(f, "{metric}: {pairs} of {needed} pairs in all")
            }
            Self::Unproven { metric, compared, log_e, needed_log_e } => write!(
                f,
                "{metric}: not yet shown to be within the margin, {} of {}; {}",
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::Proven { metric, compared, log_e, needed_log_e } => write!(
                f,
                "{metric}: shown to be within the margin, {} where {} decide; {}",
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::Soaked { soaked_seconds, pairs } => write!(
                f,
                "{} and {pairs} pairs at this share, nothing against it",
                Span(*soaked_seconds)
            ),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disagreement => "disagreement",
            Self::Divergence => "divergence",
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Classes => "classes",
        })
    }
}

/// An e-value as odds.
struct Odds(f64);

impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.exp() {
            e if self.0 > 1e6_f64.ln() || e.is_nan() => f.write_str("over 1 000 000 : 1"),
            e if e >= 100.0 => write!(f, "{e:.0} : 1"),
            e if e < 0.1 => f.write_str("below 0.1 : 1"),
            e => write!(f, "{e:.1} : 1"),
        }
    }
}

/// What was measured, in the metric's unit.
struct Seen<'a>(Metric, &'a Compared);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared {
            observations,
            mean,
            bounds: [low, high],
            ..
        } = self.1;
        let (scale, unit) = match self.0 {
            Metric::Divergence => (1.0, "nats"),
            _ => (100.0, "points"),
        };
        write!(
            f,
            "canary less stable {:+.3} {unit}, between {:+.3} and {:+.3}, in {observations} pairs",
            mean * scale,
            low * scale,
            high * scale
        )
    }
}

/// Seconds as people say them.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds < 120 => write!(f, "{seconds} s"),
            seconds if seconds < 7200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3600),
        }
    }
}

pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}
