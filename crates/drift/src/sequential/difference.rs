//! What one pair says of the canary beside stable: from −1, much better, to 1, much worse.

/// Top classes compared: −1, 0 or 1. An answer that failed or isn't finite (`None`) disagrees, and the canary's counts 1
/// whatever stable said.
pub fn disagreement(teacher: usize, stable: Option<usize>, canary: Option<usize>) -> f64 {
    let disagrees = |top1: Option<usize>| f64::from(top1 != Some(teacher));
    match canary {
        None => 1.0,
        _ => disagrees(canary) - disagrees(stable),
    }
}

/// Divergences from the teacher compared, each cut at `clip_nats` and told as a part of it. An answer that failed or isn't
/// finite (`None`) counts as the clip, and the canary's counts 1 whatever stable said.
pub fn divergence(stable_nats: Option<f64>, canary_nats: Option<f64>, clip_nats: f64) -> f64 {
    let part = |nats: Option<f64>| match nats {
        Some(nats) if !nats.is_nan() => nats.clamp(0.0, clip_nats) / clip_nats,
        _ => 1.0,
    };
    match canary_nats {
        None => 1.0,
        _ => part(canary_nats) - part(stable_nats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for (stable, canary, expected) in [
            (Some(3), Some(3), 0.0),
            (Some(1), Some(3), -1.0),
            (Some(3), Some(1), 1.0),
            (Some(1), Some(2), 0.0),
            (Some(3), None, 1.0),
            (None, Some(3), -1.0),
            (None, Some(1), 0.0),
            (None, None, 1.0),
        ] {
            assert_eq!(
                disagreement(3, stable, canary),
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
            (None, None, 1.0),
        ] {
            assert_eq!(
                divergence(stable, canary, 2.0),
                expected,
                "{stable:?} {canary:?}"
            );
        }
    }
}
