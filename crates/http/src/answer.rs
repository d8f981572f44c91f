//! The bodies of successful predictions.

use std::io::Write;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Problem;
use stillhouse_core::rollout::Role;
use stillhouse_serving::{self as serving, Prediction as Predicted};

/// One class with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Prediction<'a> {
    /// The class's name.
    pub label: &'a str,
    /// The class's number, counted from 0 in the order of the labels.
    pub class: usize,
    /// Between 0 and 1.
    pub probability: f32,
}

/// How long each step took for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// From the picture's bytes to the network's pixels.
    pub decode_seconds: f64,
    /// From submission to the start of its batch.
    pub queue_seconds: f64,
    /// The run of its batch.
    pub inference_seconds: f64,
    /// Pictures in its batch.
    pub batch_size: usize,
}

impl From<serving::Timings> for Timings {
    fn from(timings: serving::Timings) -> Self {
        Self {
            decode_seconds: timings.decode.as_secs_f64(),
            queue_seconds: timings.queued.as_secs_f64(),
            inference_seconds: timings.inference.as_secs_f64(),
            batch_size: timings.batch_rows,
        }
    }
}

impl Timings {
    /// For browsers and proxies; in milliseconds, as the specification of Server-Timing requires. It is computed from
    /// whole microseconds: rounding fractions in decimal takes longer than everything else here.
    fn header(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(80);
        for (name, seconds) in [
            ("decode;dur=", self.decode_seconds),
            (", queue;dur=", self.queue_seconds),
            (", inference;dur=", self.inference_seconds),
        ] {
            let microseconds = (seconds * 1e6).round() as u64;
            let (whole, rest) = (microseconds / 1000, microseconds % 1000);
            write!(text, "{name}{whole}.{rest:03}").expect("writing into memory");
        }
        HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits and ASCII letters")
    }
}

/// The model, version and role that answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Origin<'a> {
    /// The same as in the header `x-request-id`.
    pub request_id: &'a str,
    /// The model of the request.
    pub model: &'a str,
    /// The version that answered.
    pub version: &'a str,
    /// The role that answered.
    pub role: Role,
    /// The deployment's generation.
    pub generation: u64,
    /// The role that should have answered and could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Role>,
}

impl<'a> Origin<'a> {
    /// For a prediction of this request.
    pub fn new(request_id: &'a str, predicted: &'a Predicted) -> Self {
        let version = predicted.version();
        Self {
            request_id,
            model: version.model.as_str(),
            version: version.name.as_str(),
            role: predicted.role,
            generation: predicted.generation(),
            instead_of: predicted.instead_of,
        }
    }
}

/// The answer to one picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Single<'a> {
    /// The model, version and role that answered.
    #[serde(flatten)]
    pub origin: Origin<'a>,
    /// Most probable class first.
    pub predictions: Vec<Prediction<'a>>,
    /// How long each step took.
    pub timings: Timings,
}

/// The result for one of several pictures.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Item<'a> {
    /// A prediction.
    Answered {
        /// Most probable class first.
        predictions: Vec<Prediction<'a>>,
        /// How long each step took.
        timings: Timings,
    },
    /// An error.
    Refused {
        /// The reason.
        error: Problem,
    },
}

/// The answer to many pictures.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Multiple<'a> {
    /// The model, version and role that answered.
    #[serde(flatten)]
    pub origin: Origin<'a>,
    /// In the order of the request.
    pub results: Vec<Item<'a>>,
}

/// The `top_k` most probable classes, equal ones in the order of their numbers.
pub fn top<'a>(probabilities: &[f32], labels: &'a [String], top_k: usize) -> Vec<Prediction<'a>> {
    let better = |a: &usize, b: &usize| {
        probabilities[*b]
            .total_cmp(&probabilities[*a])
            .then(a.cmp(b))
    };
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    let top_k = top_k.min(classes.len());
    if (1..classes.len()).contains(&top_k) {
        classes.select_nth_unstable_by(top_k - 1, better);
        classes.truncate(top_k);
    }
    classes.sort_unstable_by(better);
    let prediction = |class: usize| Prediction {
        label: labels[class].as_str(),
        class,
        probability: probabilities[class],
    };
    classes.into_iter().map(prediction).collect()
}

/// 200 with a JSON body and, for one picture, `server-timing`.
pub fn respond(body: &impl Serialize, status: StatusCode, timings: Option<&Timings>) -> Response {
    let mut json = Vec::with_capacity(768);
    serde_json::to_writer(&mut json, body).expect("writing into memory");
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(timings) = timings {
        headers.insert("server-timing", timings.header());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn top_is_the_head_of_the_sorted_list(
            probabilities in prop::collection::vec(0.0f32..1.0, 1..40), top_k in 1usize..50,
        ) {
            let labels: Vec<String> = (0..probabilities.len()).map(|class| class.to_string()).collect();
            let mut sorted: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let named: Vec<(usize, f32)> = top(&probabilities, &labels, top_k)
                .iter()
                .map(|prediction| (prediction.class, prediction.probability))
                .collect();
            prop_assert_eq!(&named[..], &sorted[..top_k.min(sorted.len())]);
        }
    }
}
