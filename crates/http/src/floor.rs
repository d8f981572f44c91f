//! A server without predictions, to measure what HTTP alone costs: the same routes, layers and body reading, and a constant
//! answer. Used by `tools/limit`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
    routing::post,
};
use bytes::Bytes;

use super::{
    DataPlane, Routes, data_routes,
    error::ApiError,
    predict::{account, options, read_body},
    request::PredictQuery,
};

/// The answer to every prediction.
#[derive(Clone, Debug)]
pub struct Constant {
    body: Bytes,
    server_timing: HeaderValue,
}

impl Constant {
    /// A body and its `server-timing` header; `None` if that is no valid header value.
    pub fn new(body: impl Into<Bytes>, server_timing: &str) -> Option<Self> {
        Some(Self {
            body: body.into(),
            server_timing: HeaderValue::from_str(server_timing).ok()?,
        })
    }
}

/// [`data_router`](super::data_router) with a constant answer to every prediction.
pub fn router(plane: &Arc<DataPlane>, constant: Constant) -> Routes {
    // The request is parsed as for a prediction, because that is part of HTTP's cost.
    let answer = async move |State(plane): State<Arc<DataPlane>>,
                             request: Request|
                -> Result<Response, ApiError> {
        let (head, body) = request.into_parts();
        PredictQuery::of(&head.uri)?;
        let mut intake = plane
            .serving
            .begin(account(&head), &options(&head, &body)?)?;
        read_body(&plane, &mut intake, &head.headers, body).await?;
        let mut response = Response::new(Body::from(constant.body));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("server-timing", constant.server_timing);
        Ok(response)
    };
    data_routes(plane, post(answer.clone()), post(answer))
}
