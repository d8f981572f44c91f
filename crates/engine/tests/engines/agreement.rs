//! Small graphs, in all batch sizes, on both back ends.

use stillhouse_engine::{
    ElementType::{F16, F32},
    EngineOptions, Hints, prepare,
};

use crate::{both, graphs};

/// Sums of a few dozen products in another order differ by some units in the last place of f32.
const SINGLE: f32 = 1e-5;
/// Ten bits of mantissa, through two layers.
const HALF: f32 = 5e-3;

fn probabilities(answers: &[f32]) {
    for row in answers.chunks_exact(5) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        assert!(
            row.iter().any(|p| (p - 0.2).abs() > 1e-3),
            "a uniform row proves nothing: {row:?}"
        );
    }
}

#[test]
fn known_numbers() {
    use stillhouse_engine::onnx::build::{node, weights};
    let nodes = vec![
        node("Gemm", &["x", "w", "b"], &["h"]),
        node("Relu", &["h"], &["y"]),
    ];
    let w = weights("w", &[3, 2], &[1.0, -1.0, 2.0, 0.5, -3.0, 4.0]);
    let b = weights("b", &[2], &[0.5, -10.0]);
    let bytes = graphs::graph(13, ("N,3", "N,2", F32), nodes, vec![w, b]).to_bytes();
    for backend in both::backends() {
        let input = [1.0, 2.0, 3.0, -1.0, 4.0, 2.0];
        let found = both::answers(backend, &bytes, &input, 2).unwrap();
        assert_eq!(found, [0.0, 2.0, 1.5, 1.0], "{backend}");
    }
}

#[test]
fn fully_connected() {
    both::agree(
        "mlp",
        &graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes(),
        SINGLE,
    );
    both::agree(
        "image mlp",
        &graphs::mlp("N,2,2,2", "N,5", graphs::identity()).to_bytes(),
        SINGLE,
    );
    both::agree(
        "-1",
        &graphs::mlp("-1,8", "-1,5", graphs::identity()).to_bytes(),
        SINGLE,
    );
    both::agree(
        "absent",
        &graphs::mlp(",8", ",5", graphs::identity()).to_bytes(),
        SINGLE,
    );
    both::agree(
        "sympy",
        &graphs::mlp("s0 // 2 + 1,8", "s0 // 2 + 1,5", graphs::identity()).to_bytes(),
        SINGLE,
    );
    both::agree(
        "computed shape",
        &graphs::mlp_with_computed_shape().to_bytes(),
        SINGLE,
    );
}

#[test]
fn softmax_inside() {
    probabilities(&both::agree(
        "mlp",
        &graphs::mlp("N,8", "N,5", graphs::softmax()).to_bytes(),
        SINGLE,
    ));
    probabilities(&both::agree(
        "cnn",
        &graphs::all_convolution("N").to_bytes(),
        SINGLE,
    ));
    probabilities(&both::agree(
        "cnn at 1",
        &graphs::all_convolution("1").to_bytes(),
        SINGLE,
    ));
}

#[test]
fn convolutional() {
    let planar = both::agree(
        "nchw",
        &graphs::cnn("N,2,6,6", "N,5", F32).to_bytes(),
        SINGLE,
    );
    let interleaved = both::agree("nhwc", &graphs::channels_last().to_bytes(), SINGLE);
    assert_ne!(
        planar, interleaved,
        "the layouts read the same numbers as different pictures"
    );
}

#[test]
fn the_batch_is_fixed() {
    for n in ["1", "4"] {
        let mlp = graphs::mlp(&format!("{n},8"), &format!("{n},5"), graphs::identity());
        let fixed = both::agree(&format!("mlp at {n}"), &mlp.to_bytes(), SINGLE);
        let free = both::agree(
            "mlp",
            &graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes(),
            SINGLE,
        );
        both::close("fixed against free", &fixed, &free, SINGLE);
        both::agree(
            "cnn",
            &graphs::cnn(&format!("{n},2,6,6"), &format!("{n},5"), F32).to_bytes(),
            SINGLE,
        );
    }
}

#[test]
fn half_precision() {
    let single = both::agree(
        "f32",
        &graphs::cnn("N,2,6,6", "N,5", F32).to_bytes(),
        SINGLE,
    );
    let half = both::agree("f16", &graphs::cnn("N,2,6,6", "N,5", F16).to_bytes(), HALF);
    both::close("f16 against f32", &half, &single, HALF);
    both::agree(
        "f16 at 4",
        &graphs::cnn("4,2,6,6", "4,5", F16).to_bytes(),
        HALF,
    );
    both::agree(
        "f16 at the border",
        &graphs::half_at_the_border().to_bytes(),
        HALF,
    );
}

#[test]
fn eight_bits() {
    // Where the back ends round a sum to either side of a half, answers differ by one step of h_scale.
    both::agree("int8", &graphs::quantised(false).to_bytes(), 0.05);
    let found = both::agree(
        "int8 with softmax",
        &graphs::quantised(true).to_bytes(),
        0.02,
    );
    for row in found.chunks_exact(5) {
        // tract alone answers one for every class, were it not for `unquantise`.
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 0.02, "{row:?}");
        assert!(
            row.iter().any(|p| (p - 0.2).abs() > 0.01),
            "a uniform row proves nothing: {row:?}"
        );
    }
}

#[test]
fn the_named_output_is_answered() {
    let bytes = graphs::two_headed().to_bytes();
    let input = both::noise(8, 3);
    for backend in both::backends() {
        let of = |output: Option<&str>| {
            let output = output.map(str::to_owned);
            let hints = Hints {
                output,
                ..Hints::default()
            };
            let options = EngineOptions {
                hints,
                ..both::options(backend)
            };
            let mut engine = prepare(&bytes, &options).unwrap().build(1).unwrap();
            engine.input(1).copy_from_slice(&input);
            engine.run(1).unwrap().to_vec()
        };
        let opposite: Vec<f32> = of(Some("opposite")).iter().map(|score| -score).collect();
        assert_eq!(of(None), opposite, "{backend}");
        assert_eq!(of(Some("y")), opposite, "{backend}");
    }
}
