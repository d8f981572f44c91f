//! What a request contains: the query, and the pictures in a body of any accepted form.

mod encoded;
mod form;
mod instances;
mod multipart;

use axum::{
    extract::Query,
    http::{HeaderMap, Uri, header},
};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{error::ApiError, request_error::RequestError};
use stillhouse_serving::{Charge, PredictError, PredictInput};

pub use instances::json;

/// The query of a prediction.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PredictQuery {
    /// How many classes to return, most probable first. Default: 5, or all if there are fewer.
    pub top_k: Option<usize>,
}

impl PredictQuery {
    /// Reads the query of a request's URI.
    ///
    /// # Errors
    /// An unknown or malformed parameter.
    pub(crate) fn of(uri: &Uri) -> Result<Self, RequestError> {
        let query = Query::try_from_uri(uri);
        let Query(query) = query.map_err(|error| RequestError::Query(error.body_text().into()))?;
        Ok(query)
    }

    /// The number of classes to return.
    ///
    /// # Errors
    /// It is zero, or larger than the number of classes.
    pub(crate) fn top_k(self, classes: usize) -> Result<usize, PredictError> {
        match self.top_k {
            None => Ok(classes.min(5)),
            Some(given) if (1..=classes).contains(&given) => Ok(given),
            Some(given) => Err(PredictError::TopK { given, classes }),
        }
    }
}

/// The inputs of a request.
#[derive(Debug, PartialEq)]
pub enum Inputs {
    /// One input, answered with one object.
    One(PredictInput),
    /// Several inputs, answered with a list in their order; an input that can't be read has its own error there.
    Many(Vec<Result<PredictInput, RequestError>>),
}

/// What a body holds.
#[derive(Debug, PartialEq)]
pub struct Content {
    /// The inputs.
    pub inputs: Inputs,
    /// A form may say how many classes to return.
    pub top_k: Option<usize>,
}

impl From<Inputs> for Content {
    fn from(inputs: Inputs) -> Self {
        Self {
            inputs,
            top_k: None,
        }
    }
}

/// Whether a body will be read as JSON. The content decides; only multipart is recognised by its Content-Type.
pub(crate) fn looks_like_json(headers: &HeaderMap, body: &[u8]) -> bool {
    multipart_type(headers).is_none() && matches!(json_text(body), [b'{' | b'[', ..])
}

/// JSON without what some editors and shells write before it: white space and a byte order mark.
fn json_text(body: &[u8]) -> &[u8] {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start()
}

fn multipart_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.get(..10)?;
    kind.eq_ignore_ascii_case("multipart/").then_some(value)
}

/// Reads the inputs from a body; memory that is needed beside the body's is charged.
///
/// # Errors
/// There is no picture, there are too many, or the body has none of the accepted forms.
pub fn inputs(
    headers: &HeaderMap,
    body: Bytes,
    limit: usize,
    charge: &mut Charge,
) -> Result<Content, ApiError> {
    if let Some(content_type) = multipart_type(headers) {
        form::read(content_type, &body, limit)
    } else if looks_like_json(headers, &body) {
        Ok(json(&body, limit, charge)?.into())
    } else if json_text(&body).is_empty() {
        Err(PredictError::NoInput.into())
    } else {
        Ok(Inputs::One(PredictInput::Picture(body)).into())
    }
}
