//! Bodies of prediction requests.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use stillhouse_http::fuzzing::{Budget, Charge, Inputs, PredictInput, inputs, json};

/// The same as `requests.max_images`.
const LIMIT: usize = 64;

/// `requests.max_bytes_in_flight`.
const BUDGET_BYTES: usize = 64 << 20;

fn charge() -> Charge {
    let account = Budget::new(BUDGET_BYTES, 1).account();
    account.open(0).expect("nothing is announced")
}

/// `{"instances": [...]}`.
pub(crate) fn instances(data: &[u8]) {
    if let Ok(found) = json(data, LIMIT, &mut charge()) {
        check(found);
    }
}

/// `multipart/form-data` with the boundary `x`.
pub(crate) fn multipart(data: &[u8]) {
    let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    let body = Bytes::copy_from_slice(data);
    if let Ok(found) = inputs(&headers, body, LIMIT, &mut charge()) {
        check(found.inputs);
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
