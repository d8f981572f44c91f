//! Bodies of prediction requests.

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use stillhouse_http::fuzzing::{Inputs, PredictInput, inputs, json};

/// The same as `requests.max_images`.
const LIMIT: usize = 64;

/// `{"instances": [...]}`.
pub(crate) fn instances(data: &[u8]) {
    if let Ok(found) = json(data, LIMIT) {
        check(found);
    }
}

/// `multipart/form-data` with the boundary `x`.
pub(crate) fn multipart(data: &[u8]) {
    let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    let read = inputs(&headers, Bytes::copy_from_slice(data), LIMIT).now_or_never();
    if let Ok(found) = read.expect("the whole body is there") {
        check(found);
    }
}

fn check(found: Inputs) {
    let found = match found {
        Inputs::One(input) => vec![Ok(input)],
        Inputs::Many(inputs) => inputs,
    };
    assert!((1..=LIMIT).contains(&found.len()), "{}", found.len());
    for subject in found.into_iter().flatten() {
        if let PredictInput::Tensor { shape, values } = subject {
            assert_eq!(shape.iter().product::<usize>(), values.len());
            assert!(values.iter().all(|value| value.is_finite()));
        }
    }
}
