//! What a request says about the version that the split gave it to, for whoever judges that version.
//!
//! Anybody may send requests, so nothing that one caller can produce at will is evidence by its number:
//!
//! - a request counts once, however many inputs it holds, and with its quickest input's time;
//! - a failure counts only where the version had the time that the server's configuration gives it, and only once for a
//!   caller (or, of callers without a key, for an input);
//! - a failure of a version that stable stands behind counts only where stable then answered the same input;
//! - damaged or huge pictures, deadlines that clients choose, clients that leave, and requests that were kept from the version
//!   by its breaker say nothing.

use std::time::Instant;

use super::{PredictError, Row};
use stillhouse_core::rollout::Seat;

type Rows = [Result<Row, PredictError>];

/// A request that was this seat's by the split, and that nobody else had to answer.
pub(super) fn of_answer(seat: &Seat, rows: &Rows, caller: u64) {
    let errors = || rows.iter().filter_map(|row| row.as_ref().err());
    if let Some(error) = errors().find(|error| error.kind().blames_version()) {
        seat.failed_live(caller, is_non_finite(error));
        return;
    }
    let times = rows.iter().flatten().map(|row| row.timings.by_version());
    if let Some(quickest) = times.min() {
        seat.answered_live(quickest);
    }
}

/// A request that was this seat's by the split, in which it failed and stable was asked instead.
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
    // Stable had less time than this version and answered all the same: callers are spared it for a while.
    seat.spare_callers(Instant::now());
    if let Some(error) = errors
        .into_iter()
        .find(|error| error.kind().blames_version())
    {
        seat.failed_live(caller, is_non_finite(error));
    }
}

fn is_non_finite(error: &PredictError) -> bool {
    matches!(error, PredictError::NonFinite)
}
