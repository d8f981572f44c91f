//! Operators' verbs: read what is deployed, change it, see who changed what.

mod admission;
pub(super) mod events;
mod guesses;
mod idempotency;
pub(super) mod orders;
mod throttle;
mod tokens;
mod upload;
pub(super) mod versions;
pub(super) mod view;
pub(super) mod watch;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post, put},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{body, error::ApiError};
use admission::Refusals;
use guesses::Guesses;
use idempotency::Remembered;
use stillhouse_control::{ControlError, ControlPlane};
use stillhouse_excerpt::Excerpt;
use stillhouse_serving::Budget;
use stillhouse_store::{ModelName, VersionName};
use upload::Uploads;

pub use super::admin_error::AdminError;
pub use admission::Caller;
pub use idempotency::KEY;
pub use orders::{ChangedView, Instruction};
pub use tokens::{AdminSettings, TokenError, Tokens};
pub use versions::VersionList;
pub use view::{DeploymentList, DeploymentView, HistoryView, SeatView, StuckThread};
pub use watch::DriftView;

/// An order in JSON is a few names and numbers.
const MAX_ORDER_BYTES: usize = 64 << 10;
const ORDER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handlers see.
pub struct AdminPlane {
    control: Arc<ControlPlane>,
    /// Replaced as a whole when the server rereads them.
    tokens: RwLock<Arc<Tokens>>,
    guesses: Guesses,
    refusals: Refusals,
    remembered: Remembered,
    uploads: Uploads,
}

impl AdminPlane {
    /// Accepts orders for `control` from callers with one of `tokens`.
    pub fn new(control: Arc<ControlPlane>, tokens: Tokens) -> Self {
        Self {
            control,
            refusals: Refusals::default(),
            tokens: RwLock::new(Arc::new(tokens)),
            guesses: Guesses::default(),
            remembered: Remembered::default(),
            uploads: Uploads::default(),
        }
    }

    /// From the next request on, these tokens count and no others.
    pub fn replace_tokens(&self, tokens: Tokens) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
        self.refusals.forget();
    }

    fn tokens(&self) -> Arc<Tokens> {
        self.tokens
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Characters of a reason; it becomes a part of a line of the audit log.
const MAX_REASON_CHARS: usize = 1000;

/// The reason of an order, if it isn't too long.
fn reason(reason: String) -> Result<String, AdminError> {
    let chars = reason.chars().count();
    if chars > MAX_REASON_CHARS {
        let text =
            format!("reason: {chars} characters are too many, at most {MAX_REASON_CHARS} are kept");
        return Err(AdminError::Order(text.into()));
    }
    Ok(reason)
}

/// Everything below `/admin`, behind admission.
pub fn router(plane: &Arc<AdminPlane>) -> Router {
    let version = put(versions::upload).delete(versions::remove);
    let routes = orders::routes()
        .route("/events", get(events::follow))
        .route("/models", get(view::list))
        .route("/models/{model}", get(view::one))
        .route("/models/{model}/history", get(view::history))
        .route("/models/{model}/evidence", get(watch::evidence))
        .route("/models/{model}/drift", get(watch::drift))
        .route("/models/{model}/plan", get(watch::plan))
        .route("/models/{model}/versions", get(versions::list))
        .route("/models/{model}/versions/{version}", version)
        .route(
            "/models/{model}/versions/{version}/load",
            post(versions::load),
        )
        .layer(DefaultBodyLimit::disable())
        .with_state(plane.clone());
    let admission = middleware::from_fn_with_state(plane.clone(), admission::admit);
    Router::new().nest("/admin", routes.layer(admission))
}

/// A model's name from a path; what can't be a name is as unknown as what isn't there.
fn model(plane: &AdminPlane, name: &str) -> Result<ModelName, ApiError> {
    let unknown = |_| ControlError::from(plane.control.registry().unknown()).into();
    name.parse().map_err(unknown)
}

fn version(name: &str) -> Result<VersionName, ApiError> {
    Ok(name.parse().map_err(AdminError::Name)?)
}

/// Reads an order; an empty body stands for one without words.
async fn order<T: DeserializeOwned>(body: axum::body::Body) -> Result<T, ApiError> {
    // Each admin connection may send an order, whatever others hold: there is a small limit of such connections.
    let mut charge = Budget::new(4 * MAX_ORDER_BYTES, 1).account().open(0)?;
    let bytes = body::read(body, MAX_ORDER_BYTES, ORDER_TIMEOUT, &mut charge).await?;
    let bytes = if bytes.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        bytes
    };
    let read = &mut serde_json::Deserializer::from_slice(&bytes);
    let order = serde_path_to_error::deserialize(&mut *read)
        .map_err(|error| AdminError::Order(Excerpt::of(error)))?;
    read.end()
        .map_err(|error| AdminError::Order(Excerpt::of(error)))?;
    Ok(order)
}
