//! One pair's difference between canary and stable: from −1, the canary is much better, to 1, much worse.

/// The difference in disagreement with the teacher, from whether each agrees: −1, 0 or 1. An answer that failed or isn't
/// finite (`None`) disagrees; if it is the canary's, the difference is 1 whatever stable answered. Where stable has failed,
/// too, it is 0: a caller may send what every network fails on, and that says nothing about one of them.
pub fn disagreement(stable: Option<bool>, canary: Option<bool>) -> f64 {
    let disagrees = |agrees: Option<bool>| f64::from(agrees != Some(true));
    match (stable, canary) {
        (None, None) => 0.0,
        (_, None) => 1.0,
        _ => disagrees(canary) - disagrees(stable),
    }
}

/// The difference of the divergences from the teacher, each clipped at `clip_nats` and divided by it. An answer that failed
/// or isn't finite (`None`) counts as `clip_nats`; if it is the canary's alone, the difference is 1 whatever stable answered.
pub fn divergence(stable_nats: Option<f64>, canary_nats: Option<f64>, clip_nats: f64) -> f64 {
    let part = |nats: Option<f64>| match nats {
        Some(nats) if !nats.is_nan() => nats.clamp(0.0, clip_nats) / clip_nats,
        _ => 1.0,
    };
    match (stable_nats, canary_nats) {
        (None, None) => 0.0,
        (_, None) => 1.0,
        _ => part(canary_nats) - part(stable_nats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for (stable, canary, expected) in [
            (Some(true), Some(true), 0.0),
            (Some(false), Some(true), -1.0),
            (Some(true), Some(false), 1.0),
            (Some(false), Some(false), 0.0),
            (Some(true), None, 1.0),
            (None, Some(true), -1.0),
            (None, Some(false), 0.0),
            (None, None, 0.0),
        ] {
            assert_eq!(
                disagreement(stable, canary),
                expected,
                "{stable:?} {canary:?}"
            );
        }
        for (stable, canary, expected) in [
            (Some(0.5), Some(1.5), 0.5),
            (Some(0.5), Some(f64::INFINITY), 0.75),
            (Some(9.0), Some(0.0), -1.0),
            (Some(0.0), Some(f64::NAN), 1.0),
            (None, Some(1.0), -0.5),
            (None, None, 0.0),
        ] {
            assert_eq!(
                divergence(stable, canary, 2.0),
                expected,
                "{stable:?} {canary:?}"
            );
        }
    }
}
