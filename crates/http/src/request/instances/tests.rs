use stillhouse_serving::Budget;

use super::*;

fn read(json: &str, limit: usize, budget: usize) -> Result<Inputs, ApiError> {
    let budget = Budget::new(budget, 1);
    let mut charge = budget.account().open(0).expect("nothing");
    super::json(json.as_bytes(), limit, &mut charge)
}

fn shape(json: &str) -> Result<(Vec<usize>, usize), String> {
    let text = format!("{{\"instances\":[{json}]}}");
    let read = read(&text, 64, 1 << 20).map_err(|error| error.to_string())?;
    let Inputs::Many(mut inputs) = read else {
        panic!("a list has a list of answers");
    };
    match inputs.remove(0).map_err(|error| error.to_string())? {
        PredictInput::Tensor { shape, values } => Ok((shape, values.len())),
        PredictInput::Picture(bytes) => Ok((vec![], bytes.len())),
    }
}

#[test]
fn nested_numbers_have_one_shape() {
    assert_eq!(shape("[1,2,3]"), Ok((vec![3], 3)));
    assert_eq!(shape("[[1,2,3],[4,5,6.5]]"), Ok((vec![2, 3], 6)));
    assert_eq!(shape("[[[1],[2]],[[3],[4]]]"), Ok((vec![2, 2, 1], 4)));
    assert_eq!(shape("{\"b64\":\"abcd\"}"), Ok((vec![], 3)));
    assert_eq!(shape("[]"), Ok((vec![0], 0)));
}

#[test]
fn what_is_no_tensor_is_refused_with_the_reason() {
    for (json, reason) in [
        ("[[1,2],[3]]", "side by side"),
        ("[1,[2]]", "different depths"),
        ("[[1],2]", "different depths"),
        ("[[],[1]]", "side by side"),
        ("[[[[1]]]]", "nested more than 3 deep"),
        ("[1e39]", "beyond the range"),
        ("[-1e39]", "beyond the range"),
        ("[NaN]", "expected value"),
        ("[\"1\"]", "invalid type: string"),
        ("[null]", "invalid type: null"),
        ("{\"b64\":\"\",\"b64\":\"\"}", "duplicate field"),
        ("{\"data\":\"\"}", "unknown field `data`"),
        ("7", "expected an object with `b64`"),
    ] {
        let error = shape(json).expect_err(json);
        assert!(error.contains(reason), "{json}: {error}");
    }
}

/// Kilobytes, compressed, that would become gigabytes of lists.
#[test]
fn c5_instances_are_counted_while_they_are_read() {
    let bomb = format!("{{\"instances\":[{}", "[],".repeat(1_000_000));
    let error = read(&bomb, 64, 1 << 20).expect_err("too many");
    assert!(matches!(
        error,
        ApiError::Predict(PredictError::TooManyInputs { limit: 64 })
    ));
}

#[test]
fn c5_numbers_are_charged_before_they_are_kept() {
    let text = format!("{{\"instances\":[[{}0]]}}", "0,".repeat(1_000_000));
    let error = read(&text, 64, 1 << 20).expect_err("4 MB");
    assert!(matches!(
        error,
        ApiError::Predict(PredictError::BytesInFlight { .. })
    ));
    read(&text, 64, 64 << 20).expect("it fits");
}

#[test]
fn c1_no_error_repeats_more_than_an_excerpt() {
    let long = "x".repeat(1_000_000);
    for text in [
        format!("{{\"{long}\":1}}"),
        format!("{{\"instances\":\"{long}\"}}"),
        format!("{{\"instances\":[\"{long}\"]}}"),
        format!("{{\"instances\":[[\"{long}\"]]}}"),
        format!("{{\"instances\":[{{\"{long}\":1}}]}}"),
        format!(
            "{{\"instances\":[{{\"b64\":\"{}\"}}]}}",
            "\u{e9}".repeat(1000)
        ),
    ] {
        let error = match read(&text, 64, 1 << 20) {
            Err(error) => error.to_string(),
            Ok(Inputs::Many(mut inputs)) => inputs.remove(0).expect_err("no base64").to_string(),
            Ok(one) => panic!("{one:?}"),
        };
        assert!(error.len() < 400, "{} bytes: {error:.200}", error.len());
    }
}

#[test]
fn c10_a_byte_order_mark_is_passed_over() {
    assert!(read("\u{feff} {\"instances\":[[1]]}", 64, 1 << 20).is_ok());
}
