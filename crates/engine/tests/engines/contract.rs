//! What a blueprint and an engine promise their callers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Barrier,
    thread,
};

use stillhouse_engine::ElementType::F32;

use crate::{both, graphs};

#[test]
fn the_batch_limit_is_what_one_run_takes() {
    let check = |bytes: bytes::Bytes, ort: Option<usize>, tract: Option<usize>, words: &str| {
        for backend in both::backends() {
            let blueprint = both::blueprint(backend, &bytes).unwrap();
            let right = if backend == stillhouse_engine::Backend::Ort {
                ort
            } else {
                tract
            };
            assert_eq!(blueprint.batch_limit(), right, "{backend}");
            let description = blueprint.describe();
            assert!(
                description.starts_with(&format!("{backend} ")),
                "{description}"
            );
            assert!(
                description.contains(&format!(" on {}", both::options(backend).device)),
                "{description}"
            );
            assert!(
                right.is_none() || description.contains(words),
                "{description}"
            );
        }
    };
    check(
        graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes(),
        None,
        None,
        "",
    );
    check(
        graphs::cnn("N,2,6,6", "N,5", F32).to_bytes(),
        None,
        Some(1),
        "one row at a time",
    );
    check(
        graphs::cnn("1,2,6,6", "1,5", F32).to_bytes(),
        Some(1),
        Some(1),
        "the graph's batch is 1",
    );
    check(
        graphs::mlp("4,8", "4,5", graphs::identity()).to_bytes(),
        Some(4),
        Some(4),
        "4 rows at a time, padded",
    );
}

#[test]
fn more_rows_than_agreed_are_a_bug_of_the_caller() {
    for backend in both::backends() {
        let blueprint = both::blueprint(
            backend,
            &graphs::mlp("4,8", "4,5", graphs::identity()).to_bytes(),
        )
        .unwrap();
        let mut engine = blueprint.build(2).unwrap();
        assert_eq!(engine.input(2).len(), 16);
        for rows in [0, 3] {
            let result = catch_unwind(AssertUnwindSafe(|| engine.input(rows).len()));
            assert!(result.is_err(), "{rows} rows on {backend}");
        }
    }
}

#[test]
fn what_is_not_finite_comes_back_as_it_is() {
    let bytes = graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes();
    for backend in both::backends() {
        let mut engine = both::blueprint(backend, &bytes).unwrap().build(2).unwrap();
        let input = engine.input(2);
        input.fill(0.5);
        input[..8].fill(f32::NAN);
        let scores = engine.run(2).unwrap();
        assert!(
            scores[..5].iter().all(|score| score.is_nan()),
            "{backend}: {scores:?}"
        );
        assert!(
            scores[5..].iter().all(|score| score.is_finite()),
            "{backend}: {scores:?}"
        );
    }
}

#[test]
fn the_input_is_read_where_it_was_written() {
    let check = |bytes: bytes::Bytes, rows: usize| {
        for backend in both::backends() {
            let mut engine = both::blueprint(backend, &bytes)
                .unwrap()
                .build(rows)
                .unwrap();
            let before = engine.input(rows).as_ptr();
            for _ in 0..3 {
                engine.run(rows).unwrap();
                assert_eq!(
                    engine.input(rows).as_ptr(),
                    before,
                    "{backend} holds on to its input, so it was copied"
                );
            }
        }
    };
    check(graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes(), 6);
    check(graphs::cnn("N,2,6,6", "N,5", F32).to_bytes(), 1);
    check(graphs::mlp("4,8", "4,5", graphs::identity()).to_bytes(), 4);
}

#[test]
fn padding_never_holds_an_earlier_request() {
    // A batch of 4 that sums over its rows: what lies in the padding shows in every answer.
    use stillhouse_engine::onnx::build::{integers, node};
    let nodes = vec![
        node("ReduceSum", &["x", "axes"], &["sum"]).with_int("keepdims", 1),
        node("Expand", &["sum", "shape"], &["y"]),
    ];
    let weights = vec![integers("axes", &[0]), integers("shape", &[4, 3])];
    let bytes = graphs::graph(13, ("4,3", "4,3", F32), nodes, weights).to_bytes();
    for backend in both::backends() {
        let mut engine = both::blueprint(backend, &bytes).unwrap().build(8).unwrap();
        engine.input(8).fill(100.0);
        engine.run(8).unwrap();
        engine.input(1).fill(1.0);
        assert_eq!(engine.run(1).unwrap(), [1.0, 1.0, 1.0], "{backend}");
    }
}

#[test]
fn workers_run_side_by_side() {
    let bytes = graphs::cnn("N,2,6,6", "N,5", F32).to_bytes();
    for backend in both::backends() {
        let blueprint = both::blueprint(backend, &bytes).unwrap();
        let input = both::noise(4 * 72, 5);
        let right = both::answers(backend, &bytes, &input, 4).unwrap();
        let together = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut engine = blueprint.build(4).unwrap();
                    together.wait();
                    for _ in 0..50 {
                        engine.input(4).copy_from_slice(&input);
                        both::close("beside others", engine.run(4).unwrap(), &right, 1e-6);
                    }
                });
            }
        });
    }
}
