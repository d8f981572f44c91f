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
    /// Between 0 and 1. Of exclusive classes all of them sum to 1; of independent ones each is that of its own label.
    pub probability: f32,
    /// Of independent classes: the probability from which the label applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
}

/// The classes in the answer to one picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Classified<'a> {
    /// Most probable class first.
    pub predictions: Vec<Prediction<'a>>,
    /// Of independent classes: every label that applies, most probable first, whatever `top_k` is. Missing where exactly
    /// one class applies, the first of `predictions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<&'a str>>,
}

impl<'a> Classified<'a> {
    /// The `top_k` most probable classes; with `thresholds`, also the labels that reach theirs.
    pub fn new(
        probabilities: &[f32],
        labels: &'a [String],
        thresholds: Option<&[f32]>,
        top_k: usize,
    ) -> Self {
        let mut predictions = top(probabilities, labels, top_k);
        let applying = thresholds.map(|thresholds| {
            for prediction in &mut predictions {
                prediction.threshold = thresholds.get(prediction.class).copied();
            }
            let reached = |class: &usize| probabilities[*class] >= thresholds[*class];
            let classes = (0..probabilities.len().min(thresholds.len())).filter(reached);
            let mut classes: Vec<usize> = classes.collect();
            classes.sort_unstable_by(|a, b| {
                let by_probability = probabilities[*b].total_cmp(&probabilities[*a]);
                by_probability.then(a.cmp(b))
            });
            classes
                .iter()
                .map(|class| labels[*class].as_str())
                .collect()
        });
        Self {
            predictions,
            labels: applying,
        }
    }
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
    /// The classes.
    #[serde(flatten)]
    pub classified: Classified<'a>,
    /// How long each step took.
    pub timings: Timings,
}

/// The result for one of several pictures.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Item<'a> {
    /// A prediction.
    Answered {
        /// The classes.
        #[serde(flatten)]
        classified: Classified<'a>,
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
        threshold: None,
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

    #[test]
    fn b1_labels_are_those_that_reach_their_thresholds() {
        let labels = ["cat", "dog", "fox"].map(String::from);
        let scores = [0.4, 0.9, 0.6];
        let classified = Classified::new(&scores, &labels, Some(&[0.4, 0.5, 0.7]), 2);
        assert_eq!(
            serde_json::to_string(&classified).unwrap(),
            "{\"predictions\":[{\"label\":\"dog\",\"class\":1,\"probability\":0.9,\"threshold\":0.5},\
             {\"label\":\"fox\",\"class\":2,\"probability\":0.6,\"threshold\":0.7}],\"labels\":[\"dog\",\"cat\"]}"
        );
        let none = Classified::new(&scores, &labels, Some(&[1.0; 3]), 1);
        assert_eq!(none.labels, Some(vec![]));
        let exclusive = Classified::new(&scores, &labels, None, 1);
        assert_eq!(
            serde_json::to_string(&exclusive).unwrap(),
            "{\"predictions\":[{\"label\":\"dog\",\"class\":1,\"probability\":0.9}]}"
        );
    }
}
