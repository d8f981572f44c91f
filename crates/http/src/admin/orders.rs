//! The verbs that change who answers. Each takes `If-Match` or `?force=true`, `?dry_run=true`, `Idempotency-Key` and a
//! `reason`; each answers with the deployment before and after and the order that undoes it.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    handler::Handler,
    http::{HeaderMap, Method, header},
    response::Response,
    routing::{MethodFilter, on},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    AdminError, AdminPlane, Caller, idempotency::StoredResponse, model, order,
    reason as bounded_reason, view::answer,
};
use crate::{error::ApiError, request_id::RequestId};
use stillhouse_control::{Changed, Order};
use stillhouse_core::rollout::{
    Abort, Assignment, Authority, Change, Promote, Rollback, SetPlan, SetSplit, SetTeacher,
    Spelling, StartCanary, Verb,
};
use stillhouse_excerpt::Excerpt;

/// How an order is to be taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderQuery {
    /// Carry it out on whatever generation is there.
    pub force: bool,
    /// Only say what would come out.
    pub dry_run: bool,
}

/// A verb's order as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WithReason<V> {
    /// What is to be done.
    #[serde(flatten)]
    order: V,
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

impl<V: Verb> WithReason<V> {
    async fn read(body: Body) -> Result<Self, ApiError> {
        // Taken out by hand: serde can't refuse unknown fields of what is flattened.
        let mut fields: Map<String, Value> = order(body).await?;
        let reason = match fields.remove("reason") {
            None => String::new(),
            Some(Value::String(reason)) => bounded_reason(reason)?,
            Some(_) => return Err(AdminError::Order("reason: it must be text".into()).into()),
        };
        let order: V = serde_path_to_error::deserialize(Value::Object(fields))
            .map_err(|error| AdminError::Order(Excerpt::of(error)))?;
        let checked = order.check();
        checked.map_err(|missing| AdminError::Order(missing.into()))?;
        Ok(Self { order, reason })
    }
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

/// A handler and its documentation; the literals repeat [`Verb::METHOD`] and [`Verb::SEGMENT`], as the documentation is made
/// of tokens.
macro_rules! verb {
    ($(#[$doc:meta])* $handler:ident, $verb:ident, $method:ident, $path:literal) => {
        $(#[$doc])*
        #[utoipa::path($method, path = $path, tag = "admin",
            params(("model" = String, Path, description = "The model's name"), OrderQuery,
                ("If-Match" = Option<String>, Header, description = "The generation that the order is for, in quotes"),
                ("Idempotency-Key" = Option<String>, Header, description = "The same key is carried out once")),
            request_body = WithReason<$verb>,
            responses(
                (status = 200, description = "Done, or with dry_run what would be", body = ChangedView),
                (status = 409, description = "It makes no sense on this deployment", body = crate::error::Problem, content_type = "application/problem+json"),
                (status = 412, description = "Somebody was faster; `current` is what is there", body = crate::error::Problem, content_type = "application/problem+json"),
                (status = 422, description = "The version can't be trusted, or a share is none", body = crate::error::Problem, content_type = "application/problem+json"),
                (status = 428, description = "Neither If-Match nor force", body = crate::error::Problem, content_type = "application/problem+json"),
                (status = 503, description = "It could not be written down; nothing was changed", body = crate::error::Problem, content_type = "application/problem+json"),
            ))]
        pub(in crate::admin) async fn $handler(
            State(plane): State<Arc<AdminPlane>>,
            Path(name): Path<String>,
            query: Result<Query<OrderQuery>, QueryRejection>,
            Extension(caller): Extension<Caller>,
            Extension(id): Extension<RequestId>,
            headers: HeaderMap,
            body: Body,
        ) -> Result<Response, ApiError> {
            let WithReason { order, reason } = WithReason::<$verb>::read(body).await?;
            let sender = Sender { caller, id, headers };
            carry_out(plane, &name, query, sender, order.into(), reason).await
        }
    };
}

verb!(
    /// Puts a version on trial.
    start_canary, StartCanary, post, "/admin/models/{model}/canary"
);
verb!(
    /// Says who leads the canary from now on.
    set_plan, SetPlan, put, "/admin/models/{model}/plan"
);
verb!(
    /// Changes the shares.
    set_split, SetSplit, put, "/admin/models/{model}/split"
);
verb!(
    /// The canary becomes stable.
    promote, Promote, post, "/admin/models/{model}/promote"
);
verb!(
    /// The canary goes out.
    abort, Abort, post, "/admin/models/{model}/abort"
);
verb!(
    /// The previous version, or another, becomes stable.
    rollback, Rollback, post, "/admin/models/{model}/rollback"
);
verb!(
    /// Fills or empties the teacher's role.
    set_teacher, SetTeacher, put, "/admin/models/{model}/teacher"
);

/// The routes of all verbs, below `/admin`.
pub(crate) fn routes() -> Router<Arc<AdminPlane>> {
    let routes = Router::new();
    let routes = route::<StartCanary, _, _>(routes, start_canary);
    let routes = route::<SetPlan, _, _>(routes, set_plan);
    let routes = route::<SetSplit, _, _>(routes, set_split);
    let routes = route::<Promote, _, _>(routes, promote);
    let routes = route::<Abort, _, _>(routes, abort);
    let routes = route::<Rollback, _, _>(routes, rollback);
    route::<SetTeacher, _, _>(routes, set_teacher)
}

fn route<V: Verb, H: Handler<T, Arc<AdminPlane>>, T: 'static>(
    routes: Router<Arc<AdminPlane>>,
    handler: H,
) -> Router<Arc<AdminPlane>> {
    let method = Method::from_bytes(V::METHOD.as_bytes()).expect("a method");
    let filter = MethodFilter::try_from(method).expect("a method with a filter");
    let path = format!("/models/{{model}}/{}", V::SEGMENT);
    routes.route(&path, on(filter, handler))
}

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
    let Query(query) = query.map_err(|error| AdminError::Query(error.body_text().into()))?;
    let expected = expected(&sender.headers, query)?;
    let order = Order {
        model: model(&plane, name)?,
        change,
        expected,
        dry_run: query.dry_run,
        actor: sender.caller.0.clone(),
        by: Authority::Person,
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
        Ok(response(model, dry_run, control.execute(order).await?))
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

fn response(model: String, dry_run: bool, changed: Changed) -> StoredResponse {
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
        let Spelling {
            method,
            segment,
            body,
            command,
            ..
        } = change.spelling();
        Self {
            method: method.to_owned(),
            path: format!("/admin/models/{model}/{segment}"),
            body,
            command: format!("stillhouse {command} --model {model}"),
        }
    }
}
