//! The verbs that change who answers. Each takes `If-Match` or `?force=true`, `?dry_run=true`, `Idempotency-Key` and a
//! `reason`; each answers with the deployment before and after and the order that undoes it.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{AdminError, AdminPlane, Caller, idempotency::Answered, model, order, view::answer};
use crate::{
    control::{Changed, Order},
    http::{error::ApiError, request_id::RequestId},
    rollout::{Assignment, Change, Plan, Share},
    store::VersionName,
};

/// How an order is to be taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OrderQuery {
    /// Carry it out on whatever generation is there.
    pub force: bool,
    /// Only say what would come out.
    pub dry_run: bool,
}

/// `POST .../canary`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCanary {
    /// The version on trial; loaded if it isn't.
    #[schema(value_type = String)]
    version: VersionName,
    /// Its share: basis points, or percent as in "2.5%"; 0 makes it a dark canary, judged by shadows alone. May be left out
    /// of an automatic plan, which begins dark.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    share: Option<Share>,
    /// `manual`: operators lead it; `automatic`: the judge does, along the ramp, to promotion or out.
    #[serde(default)]
    plan: Plan,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

impl StartCanary {
    fn share(&self) -> Result<Share, AdminError> {
        match (self.share, self.plan) {
            (Some(share), _) => Ok(share),
            (None, Plan::Automatic) => Ok(Share::default()),
            (None, Plan::Manual) => Err(AdminError::Order(
                "missing field `share`: 0 makes a dark canary, or let \"plan\": \"automatic\" begin with one".into(),
            )),
        }
    }
}

/// `PUT .../plan`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPlan {
    /// Who leads the canary from now on.
    plan: Plan,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// `PUT .../split`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSplit {
    /// The canary's share.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    canary: Option<Share>,
    /// The teacher's share.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    teacher: Option<Share>,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// `POST .../promote` and `POST .../abort`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// `POST .../rollback`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Another version than the previous one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    to: Option<VersionName>,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// `PUT .../teacher`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetTeacher {
    /// The version; null empties the role.
    #[schema(value_type = Option<String>)]
    version: Option<VersionName>,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// An order as a request and as a line to type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instruction {
    /// Of the request.
    pub method: String,
    /// Of the request.
    pub path: String,
    /// Of the request.
    pub body: Value,
    /// The same for a terminal.
    pub command: String,
}

/// What an order did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedView {
    /// The model.
    pub model: String,
    /// Whether something was, or would be, done at all.
    pub changed: bool,
    /// Whether it was only tried.
    pub dry_run: bool,
    /// The deployment before.
    pub before: Assignment,
    /// The deployment after.
    pub after: Assignment,
    /// What leads back.
    pub undo: Option<Instruction>,
}

macro_rules! verb {
    ($(#[$doc:meta])* $verb:ident, $method:ident, $path:literal, $body:ty, |$order:ident| $change:expr) => {
        $(#[$doc])*
        #[utoipa::path($method, path = $path, tag = "admin",
            params(("model" = String, Path, description = "The model's name"), OrderQuery,
                ("If-Match" = Option<String>, Header, description = "The generation that the order is for, in quotes"),
                ("Idempotency-Key" = Option<String>, Header, description = "The same key is carried out once")),
            request_body = $body,
            responses(
                (status = 200, description = "Done, or with dry_run what would be", body = ChangedView),
                (status = 409, description = "It makes no sense on this deployment", body = crate::http::error::Problem, content_type = "application/problem+json"),
                (status = 412, description = "Somebody was faster; `current` is what is there", body = crate::http::error::Problem, content_type = "application/problem+json"),
                (status = 422, description = "The version can't be trusted, or a share is none", body = crate::http::error::Problem, content_type = "application/problem+json"),
                (status = 428, description = "Neither If-Match nor force", body = crate::http::error::Problem, content_type = "application/problem+json"),
                (status = 503, description = "It could not be written down; nothing was changed", body = crate::http::error::Problem, content_type = "application/problem+json"),
            ))]
        pub async fn $verb(
            State(plane): State<Arc<AdminPlane>>,
            Path(name): Path<String>,
            query: Result<Query<OrderQuery>, QueryRejection>,
            Extension(caller): Extension<Caller>,
            Extension(id): Extension<RequestId>,
            headers: HeaderMap,
            body: Body,
        ) -> Result<Response, ApiError> {
            let $order: $body = order(body).await?;
            let reason = $order.reason.clone();
            let sender = Sender { caller, id, headers };
            carry_out(plane, &name, query, sender, $change, reason).await
        }
    };
}

verb!(
    /// Puts a version on trial.
    start_canary, post, "/admin/models/{model}/canary", StartCanary,
    |order| Change::StartCanary { share: order.share()?, version: order.version, plan: order.plan }
);
verb!(
    /// Gives the canary's way into other hands.
    set_plan, put, "/admin/models/{model}/plan", SetPlan, |order| Change::SetPlan { plan: order.plan }
);
verb!(
    /// Changes the shares.
    set_split, put, "/admin/models/{model}/split", SetSplit,
    |order| Change::SetSplit { canary: order.canary, teacher: order.teacher }
);
verb!(
    /// The canary becomes stable.
    promote, post, "/admin/models/{model}/promote", Plain, |order| Change::Promote
);
verb!(
    /// The canary goes out.
    abort, post, "/admin/models/{model}/abort", Plain, |order| Change::Abort
);
verb!(
    /// The previous version, or another, becomes stable.
    rollback, post, "/admin/models/{model}/rollback", Rollback, |order| Change::Rollback { to: order.to }
);
verb!(
    /// Fills or empties the teacher's role.
    set_teacher, put, "/admin/models/{model}/teacher", SetTeacher,
    |order| Change::SetTeacher { version: order.version }
);

struct Sender {
    caller: Caller,
    id: RequestId,
    headers: HeaderMap,
}

async fn carry_out(
    plane: Arc<AdminPlane>,
    name: &str,
    query: Result<Query<OrderQuery>, QueryRejection>,
    sender: Sender,
    change: Change,
    reason: String,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| AdminError::Query(error.body_text()))?;
    let expected = expected(&sender.headers, query)?;
    let order = Order {
        model: model(name)?,
        change,
        expected,
        dry_run: query.dry_run,
        actor: sender.caller.0.clone(),
        reason,
        request_id: sender.id.as_str().to_owned(),
        detail: None,
    };
    // The request's id is a new one each time; all the rest must be the same.
    let same = format!(
        "{:?}",
        (
            &order.model,
            &order.change,
            expected,
            order.dry_run,
            &order.reason
        )
    );
    let control = plane.control.clone();
    let carry_out = async move {
        let (model, dry_run) = (order.model.to_string(), order.dry_run);
        Ok(told(model, dry_run, control.execute(order).await?))
    };
    Ok(plane
        .remembered
        .once(&sender.caller.0, &sender.headers, same, carry_out)
        .await)
}

/// The generation in `If-Match`; none with `force`, and for a dry run, which changes nothing.
fn expected(headers: &HeaderMap, query: OrderQuery) -> Result<Option<u64>, AdminError> {
    match headers.get(header::IF_MATCH) {
        _ if query.force => Ok(None),
        None if query.dry_run => Ok(None),
        None => Err(AdminError::NoPrecondition),
        Some(value) => {
            let quoted = value.to_str().ok().map(str::trim);
            let digits = quoted.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
            let generation = digits.and_then(|digits| digits.parse().ok());
            generation.map(Some).ok_or(AdminError::Precondition)
        }
    }
}

fn told(model: String, dry_run: bool, changed: Changed) -> Answered {
    let view = ChangedView {
        changed: changed.after.generation != changed.before.generation,
        undo: changed.undo.map(|change| Instruction::new(&model, &change)),
        dry_run,
        before: changed.before,
        after: changed.after,
        model,
    };
    let now = if dry_run { &view.before } else { &view.after };
    answer(Some(now.generation), &view)
}

impl Instruction {
    /// How a change of a model is asked for, over HTTP and on a terminal.
    pub fn new(model: &str, change: &Change) -> Self {
        let (method, verb, body, command) = match change {
            Change::StartCanary {
                version,
                share,
                plan: Plan::Manual,
            } => (
                "POST",
                "canary",
                json!({ "version": version, "share": share }),
                format!("canary start {version} --share {share}"),
            ),
            Change::StartCanary {
                version,
                share,
                plan,
            } => (
                "POST",
                "canary",
                json!({ "version": version, "share": share, "plan": plan }),
                format!("canary start {version} --share {share} --{plan}"),
            ),
            Change::SetPlan { plan } => (
                "PUT",
                "plan",
                json!({ "plan": plan }),
                format!("canary plan {plan}"),
            ),
            Change::SetSplit { canary, teacher } => {
                let flag = |name, share: &Option<Share>| {
                    share
                        .map(|share| format!(" --{name} {share}"))
                        .unwrap_or_default()
                };
                let mut body = json!({});
                for (name, share) in [("canary", canary), ("teacher", teacher)] {
                    if let Some(share) = share {
                        body[name] = json!(share);
                    }
                }
                (
                    "PUT",
                    "split",
                    body,
                    format!(
                        "split{}{}",
                        flag("canary", canary),
                        flag("teacher", teacher)
                    ),
                )
            }
            Change::Promote => ("POST", "promote", json!({}), "promote".to_owned()),
            Change::Abort => ("POST", "abort", json!({}), "canary abort".to_owned()),
            Change::Rollback { to: None } => ("POST", "rollback", json!({}), "rollback".to_owned()),
            Change::Rollback { to: Some(to) } => (
                "POST",
                "rollback",
                json!({ "to": to }),
                format!("rollback --to {to}"),
            ),
            Change::SetTeacher { version } => {
                let command = version
                    .as_ref()
                    .map_or("teacher --none".to_owned(), |version| {
                        format!("teacher {version}")
                    });
                ("PUT", "teacher", json!({ "version": version }), command)
            }
        };
        Self {
            method: method.to_owned(),
            path: format!("/admin/models/{model}/{verb}"),
            body,
            command: format!("stillhouse {command} --model {model}"),
        }
    }
}
