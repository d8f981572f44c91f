//! Which seat answers a request: chosen by the split, or by the caller where that is allowed.

use std::{sync::Arc, time::Duration};

use super::{Caller, PredictError, Serving, ticket::Ticket};
use stillhouse_core::{
    registry::Model,
    rollout::{Deployment, Role, Seat},
};

/// The seat that a request is sent to.
pub(super) struct Route<'a> {
    pub(super) seat: &'a Arc<Seat>,
    /// Whether the caller chose the role: then it sees the answer of this role, including errors, and the request is no
    /// evidence, since the split did not send it there.
    pub(super) pinned: bool,
}

impl Route<'_> {
    /// Whether stable is the fallback of this seat.
    pub(super) fn has_fallback(&self) -> bool {
        self.seat.role != Role::Stable && !self.pinned
    }
}

/// Draws a request's seat, by the caller's key or else by the request's ticket, and counts it; to be called once per request.
///
/// # Errors
/// Like [`wanted`].
pub(super) fn choose<'a>(
    deployment: &'a Deployment,
    model: &Model,
    caller: &Caller<'_>,
    ticket: Ticket,
) -> Result<Route<'a>, PredictError> {
    if let Some(seat) = wanted(deployment, model, caller)? {
        return Ok(Route { seat, pinned: true });
    }
    let ticket = ticket.0.to_le_bytes();
    Ok(Route {
        seat: deployment.route(caller.key.unwrap_or(&ticket)),
        pinned: false,
    })
}

/// The seat that the caller chose, if it chose one.
///
/// # Errors
/// The role has no version, or may not be chosen.
fn wanted<'a>(
    deployment: &'a Deployment,
    model: &Model,
    caller: &Caller<'_>,
) -> Result<Option<&'a Arc<Seat>>, PredictError> {
    let Some(role) = caller.role else {
        return Ok(None);
    };
    if !model.routing.role_header {
        return Err(PredictError::RoleNotAllowed);
    }
    let seat = deployment.seat(role);
    seat.map(Some).ok_or(PredictError::RoleNotFilled(role))
}

/// Refuses a request by its head alone if every queue that could take it is full.
///
/// # Errors
/// [`PredictError::Submit`], and the errors of [`wanted`].
pub(super) fn check_room(
    deployment: &Deployment,
    model: &Model,
    caller: &Caller<'_>,
) -> Result<(), PredictError> {
    let wanted = wanted(deployment, model, caller)?;
    let asked = wanted.unwrap_or(&deployment.stable);
    let Err(full) = asked.version.check_room() else {
        return Ok(());
    };
    let split = deployment.assignment.split;
    let mut others = deployment
        .seats()
        .filter(|seat| seat.role != Role::Stable && split.of(seat.role).ratio() > 0.0);
    if wanted.is_none() && others.any(|seat| seat.version.check_room().is_ok()) {
        return Ok(());
    }
    let error = PredictError::from(full);
    asked.attempt().end(error.outcome());
    Err(error)
}

impl Serving {
    /// The time that the configuration gives a version that has stable as its fallback, and the part of a request's
    /// time that it may use at most: stable gets the rest.
    pub(super) fn time_before_fallback(&self, model: &Model) -> (Duration, f64) {
        let fallback_after = Duration::from_millis(model.routing.fallback_after_ms);
        (fallback_after.min(self.settings.deadline() / 2), 0.5)
    }
}
