//! What happens to the models, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Frame, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;

use super::{AdminError, AdminPlane};
use crate::error::ApiError;
use stillhouse_control::{Delivery, Event};

/// Name of the header by which a reader says which event it has seen last.
const LAST_EVENT_ID: &str = "last-event-id";

/// Between two comments on a silent stream: proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /admin/events`
#[utoipa::path(get, path = "/admin/events", tag = "admin",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that was received; the stream goes on behind it. Without it the stream begins with the next event")),
    responses(
        (status = 200, description = "Server-sent events: `deployed`, `refused`, `evidence`, `arrived`, `loaded`, `unloaded`, `deleted`, each with its number as `id` and this JSON as `data`. The newest 1024 are kept; where events that should follow are no longer kept, or the server has restarted, an event `gap` comes first, with `after` (the last number known to the reader) and `next` (the number from which on the stream goes on) as `data`", body = Event, content_type = "text/event-stream"),
        (status = 400, description = "Last-Event-ID is no number", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams are open", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn follow(
    State(plane): State<Arc<AdminPlane>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => {
            let number = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            Some(number.ok_or(AdminError::EventId)?)
        }
    };
    let subscription = plane.control.events().subscribe(after);
    let subscription = subscription.ok_or(AdminError::TooManyEventStreams)?;
    let frames = stream::unfold(subscription, |mut subscription| async move {
        let delivery = subscription.next().await?;
        Some((Ok::<_, Infallible>(frame(&delivery)), subscription))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(frames).keep_alive(keep_alive).into_response())
}

fn frame(delivery: &Delivery) -> Frame {
    let (name, id, data) = match delivery {
        Delivery::Event(event) => {
            let data = serde_json::to_string(&**event).expect("plain values");
            (event.kind.name(), event.number, data)
        }
        // With an id of its own a reader that reconnects right now doesn't meet the same gap again.
        Delivery::Gap { after, next } => {
            let data = json!({ "event": "gap", "after": after, "next": next });
            ("gap", next - 1, data.to_string())
        }
    };
    Frame::default().event(name).id(id.to_string()).data(data)
}
