//! A request that was admitted by its head, and the prediction of its inputs.

use std::time::Instant;

use super::{
    Account, Intake, Options, PredictError, PredictInput, Prediction, Row, Serving, evidence,
    routing::{self, Route},
    ticket::Ticket,
    version_call::VersionCall,
};
use stillhouse_core::{registry::Model, rollout::Role};

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The request's id: for answers and logs only, as clients may choose it.
    pub request_id: &'a str,
    /// Keeps a caller on one role, and makes it count once; none if the configuration names no key or the request has
    /// none.
    pub key: Option<&'a [u8]>,
    /// The role that the caller chose, where callers may choose.
    pub role: Option<Role>,
}

/// A request that was admitted by its head.
pub struct Admitted<'a> {
    /// Receives its body.
    pub intake: Intake<'a>,
    model: &'a Model,
    caller: Caller<'a>,
    ticket: Ticket,
}

impl Serving {
    /// Admits a request by its head, before its body is read.
    ///
    /// # Errors
    /// Its role has no version, every queue that could take it is full, or an error of [`Serving::begin`].
    pub fn admit<'a>(
        &'a self,
        model: &'a Model,
        caller: Caller<'a>,
        account: &Account,
        options: &Options,
    ) -> Result<Admitted<'a>, PredictError> {
        let intake = self.begin(account, options)?;
        routing::check_room(&model.slot.load(), model, &caller)?;
        Ok(Admitted {
            intake,
            model,
            caller,
            ticket: self.tickets.draw(),
        })
    }
}

impl Admitted<'_> {
    /// Predicts every input (there may be none) with one version of the current deployment.
    ///
    /// # Errors
    /// Errors of the whole request; an error of a single input is in its row.
    pub async fn predict(self, inputs: Vec<PredictInput>) -> Result<Prediction, PredictError> {
        self.intake.serving.check_pixels(&inputs)?;
        let deployment = self.model.slot.load_full();
        let route = routing::choose(&deployment, self.model, &self.caller, self.ticket)?;
        let stable = VersionCall {
            serving: self.intake.serving,
            model: self.model,
            deployment: &deployment,
            seat: &deployment.stable,
            caller: &self.caller,
            account: self.intake.account(),
            ticket: self.ticket,
            pinned: route.pinned,
            deadline: self.intake.deadline,
            time: (self.intake.serving.settings.deadline(), 1.0),
        };
        let call = VersionCall {
            seat: route.seat,
            ..stable
        };
        let (role, instead_of, rows) = match route.has_fallback() {
            true => self.with_fallback(call, stable, &route, inputs).await,
            false => {
                let rows = call.rows(inputs).await;
                if !route.pinned {
                    evidence::of_answer(route.seat, &rows, self.counted_as(None));
                }
                (route.seat.role, None, rows)
            }
        };
        Ok(Prediction {
            deployment,
            role,
            instead_of,
            rows,
        })
    }

    /// Asks a version that has stable as its fallback: if it fails, the caller doesn't.
    async fn with_fallback(
        &self,
        call: VersionCall<'_>,
        stable: VersionCall<'_>,
        route: &Route<'_>,
        inputs: Vec<PredictInput>,
    ) -> (Role, Option<Role>, Vec<Result<Row, PredictError>>) {
        let seat = route.seat;
        if !seat.is_worth_asking(Instant::now()) {
            return (Role::Stable, Some(seat.role), stable.rows(inputs).await);
        }
        let time = self.intake.serving.time_before_fallback(self.model);
        let rows = VersionCall { time, ..call }.rows(inputs.clone()).await;
        let mut errors = rows.iter().filter_map(|row| row.as_ref().err());
        let Some(error) = errors.find(|error| error.outcome().is_worth_a_fallback()) else {
            evidence::of_answer(seat, &rows, self.counted_as(None));
            return (seat.role, None, rows);
        };
        seat.fell_back(error.outcome().as_str());
        error.log(self.caller.request_id);
        let caller = self.counted_as(Some(&inputs));
        let by_stable = stable.rows(inputs).await;
        evidence::of_fallback(seat, &rows, &by_stable, caller);
        (Role::Stable, Some(seat.role), by_stable)
    }

    /// What counts only once: the caller if it has a key, else its first input if that is available, else the request.
    fn counted_as(&self, inputs: Option<&[PredictInput]>) -> u64 {
        let of_input = || Some(inputs?.first()?.hash());
        let of_caller = self.caller.key_hash(self.model);
        of_caller.or_else(of_input).unwrap_or(self.ticket.0)
    }
}
