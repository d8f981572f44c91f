//! What a request shows about the version that the split sent it to; the judge uses it.
//!
//! Any client may send requests, so events that one caller can produce at will are no evidence by their number:
//!
//! - a request counts once, however many inputs it contains, and with the time of its fastest input;
//! - a failure counts only if the version had the time that the server's configuration gives it, and only once per
//!   caller (or per input, for callers without a key);
//! - a failure of a version that has stable as its fallback counts only if stable then answered the same input; what stable
//!   answers with NaN on its own no other version is asked for, so that doesn't count either: it would raise the rate that a
//!   canary's failures are compared with;
//! - damaged or huge pictures, deadlines that clients choose, clients that leave, and requests that the breaker did not let
//!   through to the version don't count.

use std::time::Instant;

use super::{PredictError, Row};
use stillhouse_core::{
    batch::SubmitError,
    rollout::{Failure, Seat},
};

type Rows = [Result<Row, PredictError>];

/// A request that the split sent to this seat and that this seat answered.
pub(super) fn of_answer(seat: &Seat, rows: &Rows, caller: u64) {
    let mut errors = rows.iter().filter_map(|row| row.as_ref().err());
    let blaming = errors.find(|error| error.kind().blames_version() && !is_non_finite(error));
    if let Some(error) = blaming {
        seat.failed_live(caller, failure(error));
        return;
    }
    let times = rows.iter().flatten().map(|row| row.timings.by_version());
    if let Some(quickest) = times.min() {
        seat.answered_live(quickest);
    }
}

/// A request that the split sent to this seat, which failed, so that stable was asked instead.
pub(super) fn of_fallback(seat: &Seat, failed: &Rows, by_stable: &Rows, caller: u64) {
    let answered_by_stable = failed
        .iter()
        .zip(by_stable)
        .filter(|(_, stable)| stable.is_ok());
    let errors: Vec<&PredictError> = answered_by_stable
        .filter_map(|(row, _)| row.as_ref().err())
        .filter(|error| error.outcome().is_worth_a_fallback())
        .collect();
    if errors.is_empty() {
        return;
    }
    // Stable had less time than this version and still answered: requests are not sent to this version for a while.
    seat.spare_callers(Instant::now());
    if let Some(error) = errors
        .into_iter()
        .find(|error| error.kind().blames_version())
    {
        seat.failed_live(caller, failure(error));
    }
}

fn failure(error: &PredictError) -> Failure {
    match error {
        PredictError::NonFinite => Failure::NotFinite,
        PredictError::Submit(SubmitError::Full { .. }) => Failure::Overloaded,
        _ => Failure::Other,
    }
}

fn is_non_finite(error: &PredictError) -> bool {
    matches!(error, PredictError::NonFinite)
}
