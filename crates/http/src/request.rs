//! What a request contains: the query, and the pictures in a body of any accepted form.

mod instances;

use axum::{
    body::Body,
    extract::Query,
    http::{HeaderMap, Uri, header},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{error::ApiError, request_error::RequestError};
pub(crate) use instances::{Instance, Instances};
use stillhouse_serving::{PredictError, PredictInput};

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
        let Query(query) = query.map_err(|error| RequestError::Query(error.body_text()))?;
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

/// Whether a body will be read as JSON. The content decides; only multipart is recognised by its Content-Type.
pub(crate) fn looks_like_json(headers: &HeaderMap, body: &[u8]) -> bool {
    multipart_type(headers).is_none() && matches!(body.trim_ascii_start(), [b'{' | b'[', ..])
}

fn multipart_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.get(..10)?;
    kind.eq_ignore_ascii_case("multipart/").then_some(value)
}

/// Reads the inputs from a body.
///
/// # Errors
/// There is no picture, there are too many, or the body has none of the accepted forms.
pub async fn inputs(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Inputs, ApiError> {
    if let Some(content_type) = multipart_type(headers) {
        multipart(content_type, body, limit).await
    } else if looks_like_json(headers, &body) {
        json(&body, limit)
    } else if body.trim_ascii().is_empty() {
        Err(PredictError::NoInput.into())
    } else {
        Ok(Inputs::One(PredictInput::Picture(body)))
    }
}

async fn multipart(content_type: &str, body: Bytes, limit: usize) -> Result<Inputs, ApiError> {
    let wrong = |error: multer::Error| RequestError::Multipart(error.to_string());
    let boundary = multer::parse_boundary(content_type).map_err(wrong)?;
    let body = Body::from(body).into_data_stream();
    let mut parts = multer::Multipart::new(body, boundary);
    let mut pictures = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        if pictures.len() == limit {
            return Err(PredictError::TooManyInputs { limit }.into());
        }
        pictures.push(PredictInput::Picture(part.bytes().await.map_err(wrong)?));
    }
    match pictures.len() {
        0 => Err(PredictError::NoInput.into()),
        1 => Ok(Inputs::One(pictures.remove(0))),
        _ => Ok(Inputs::Many(pictures.into_iter().map(Ok).collect())),
    }
}

/// Standard alphabet; padding is optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads `{"instances": [...]}`.
///
/// # Errors
/// The body is not JSON, has another form, is empty, or has too many instances.
pub fn json(body: &[u8], limit: usize) -> Result<Inputs, ApiError> {
    let wrong = |error: serde_json::Error| RequestError::Json(error.to_string());
    // A derived struct would also accept a list of its fields.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(RequestError::Json("the top level is a list".into()).into());
    }
    let Instances { instances } = serde_json::from_slice(body).map_err(wrong)?;
    if instances.is_empty() {
        return Err(PredictError::NoInput.into());
    }
    if instances.len() > limit {
        return Err(PredictError::TooManyInputs { limit }.into());
    }
    let input = |(index, instance)| match instance {
        Instance::Picture { b64 } => BASE64
            .decode(b64.as_bytes())
            .map(|bytes| PredictInput::Picture(bytes.into()))
            .map_err(|_| RequestError::Base64 { index }),
        Instance::Numbers { shape, values } => Ok(PredictInput::Tensor { shape, values }),
    };
    let inputs = instances.into_iter().enumerate().map(input);
    Ok(Inputs::Many(inputs.collect()))
}
