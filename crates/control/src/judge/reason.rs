//! Why, in words a person can read.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{ClassFound, Events, EvidenceLoss, Metric};
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
    /// Some is missing.
    EvidenceLost { loss: EvidenceLoss },
    /// The split isn't what was configured.
    SampleRatio { log_e: f64, alarm_log_e: f64 },
    /// The last version that a person approved can't be run.
    AnchorMissing { anchor: String },
    /// Worse than the last version that a person approved.
    BeyondAnchor {
        anchor: String,
        metric: Metric,
        compared: Compared,
        log_e: f64,
        needed_log_e: f64,
    },
    /// No pairs come.
    Starved,
    /// Too old.
    Overdue {
        age_seconds: u64,
        maximum_seconds: u64,
    },
    /// Not old enough for all requests.
    Young {
        age_seconds: u64,
        minimum_seconds: u64,
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
    /// Not enough different pictures.
    FewPictures { pictures: u64, needed: u64 },
    /// Weighted by requests, beyond the margin.
    WorseByRequests {
        metric: Metric,
        difference: f64,
        margin: f64,
        effective_sample: f64,
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
            Self::EarlyErrors {
                errors,
                first_answers,
            } => write!(
                f,
                "{errors} of the canary's first {first_answers} answers were errors"
            ),
            Self::Worse {
                metric,
                compared,
                log_e,
                needed_log_e,
            } => write!(
                f,
                "{}: worse than the margin allows, {} where {} decide; {}",
                Plain(*metric),
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::ClassLost {
                worst,
                log_e,
                needed_log_e,
            } => write!(
                f,
                "classes: one has lost more than the margin allows, {} where {} decide; {worst}",
                Odds(*log_e),
                Odds(*needed_log_e)
            ),
            Self::MoreEvents {
                metric,
                events,
                needed_log_e,
            } => write!(
                f,
                "{metric}: more often than the margin allows, {} where {} decide; {} of {} of the canary's requests, {} of {} of stable's",
                Odds(events.log_e),
                Odds(*needed_log_e),
                events.canary.events,
                events.canary.requests,
                events.stable.events,
                events.stable.requests
            ),
            Self::EvidenceLost { loss } => write!(
                f,
                "{loss}; what was seen before may have been unfavourable, so nothing counts for the canary: an operator must decide, or begin the canary again"
            ),
            Self::SampleRatio { log_e, alarm_log_e } => write!(
                f,
                "the roles don't get the shares they were promised, {} where {} alarm: the split is broken, or callers choose",
                Odds(*log_e),
                Odds(*alarm_log_e)
            ),
            Self::AnchorMissing { anchor } => write!(
                f,
                "{anchor}, the last version that a person approved, isn't loaded, so that small losses of several canaries may add up unseen: put {anchor} back and start the canary again, or promote by hand (`stillhouse promote`), which approves the canary"
            ),
            Self::BeyondAnchor {
                anchor,
                metric,
                compared,
                log_e,
                needed_log_e,
            } => write!(
                f,
                "{}: worse than {anchor}, the last version that a person approved, by more than the margin, {} where {} decide; {}: promote by hand (`stillhouse promote`) if that is wanted, or abort",
                Plain(*metric),
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::Starved => f.write_str("shadows are starved: no pairs come to judge by"),
            Self::Overdue {
                age_seconds,
                maximum_seconds,
            } => write!(
                f,
                "undecided for {}, at most {} are allowed: an operator must decide",
                Span(*age_seconds),
                Span(*maximum_seconds)
            ),
            Self::Young {
                age_seconds,
                minimum_seconds,
            } => write!(
                f,
                "{} old, all requests or a promotion take {}: they may differ by the hour of the day",
                Span(*age_seconds),
                Span(*minimum_seconds)
            ),
            Self::Soaking {
                soaked_seconds,
                soak_seconds,
            } => write!(
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
            Self::FewPairs {
                metric,
                pairs,
                needed,
            } => {
                write!(f, "{}: {pairs} of {needed} pairs in all", Plain(*metric))
            }
            Self::FewPictures { pictures, needed } => {
                write!(
                    f,
                    "about {pictures} of {needed} different pictures: more pairs of the same ones say nothing of others"
                )
            }
            Self::WorseByRequests {
                metric,
                difference,
                margin,
                effective_sample,
            } => write!(
                f,
                "{metric}: weighted by requests, canary less stable {}, the margin is {}: busy minutes or frequent pictures \
                 are worse than the others (as much as {effective_sample:.0} requests of different pictures say)",
                InUnit(*metric, *difference),
                InUnit(*metric, *margin),
            ),
            Self::Unproven {
                metric,
                compared,
                log_e,
                needed_log_e,
            } => write!(
                f,
                "{}: not yet shown to be within the margin, {} of {}; {}",
                Plain(*metric),
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::Proven {
                metric,
                compared,
                log_e,
                needed_log_e,
            } => write!(
                f,
                "{}: shown to be within the margin, {} where {} decide; {}",
                Plain(*metric),
                Odds(*log_e),
                Odds(*needed_log_e),
                Seen(*metric, compared)
            ),
            Self::Soaked {
                soaked_seconds,
                pairs,
            } => write!(
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
            Self::AnchorDisagreement => "anchor_disagreement",
            Self::AnchorDivergence => "anchor_divergence",
            Self::Classes => "classes",
        })
    }
}

impl Metric {
    /// Whether the canary is compared with the anchor by it, and not with stable.
    fn is_of_anchor(self) -> bool {
        matches!(self, Self::AnchorDisagreement | Self::AnchorDivergence)
    }
}

/// A metric as it stands in a sentence.
struct Plain(Metric);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Metric::AnchorDisagreement => {
                f.write_str("disagreement beside the last version that a person approved")
            }
            Metric::AnchorDivergence => {
                f.write_str("divergence beside the last version that a person approved")
            }
            metric => write!(f, "{metric}"),
        }
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

/// A difference in the metric's unit.
struct InUnit(Metric, f64);

impl fmt::Display for InUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Metric::Divergence => write!(f, "{:+.3} nats", self.1),
            _ => write!(f, "{:+.3} points", self.1 * 100.0),
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
            Metric::Divergence | Metric::AnchorDivergence => (1.0, "nats"),
            _ => (100.0, "points"),
        };
        let other = match self.0.is_of_anchor() {
            true => "anchor",
            false => "stable",
        };
        write!(
            f,
            "canary less {other} {:+.3} {unit}, between {:+.3} and {:+.3}, in {observations} pairs",
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
