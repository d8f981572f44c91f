use bytes::Bytes;
use stillhouse_engine::{Backend, Blueprint, EngineOptions, scripted::Scripted};

use super::{kind::kind_of, *};
use stillhouse_store::{
    Labels, Manifest,
    manifest::{self, Element},
};
use stillhouse_test_support::{ColorType, png};

/// Three scores of a 2x2 gray picture: the mean, and twice and minus that; then whatever `twist` makes of them.
fn mean(twist: fn(row: usize, rows: usize, scores: [f32; 3]) -> [f32; 3]) -> Scripted {
    Scripted::new(4, 3, move |pixels, rows| {
        let scores = |(row, pixels): (usize, &[f32])| {
            let mean = pixels.iter().sum::<f32>() / 4.0;
            twist(row, rows, [mean, 2.0 * mean, -mean])
        };
        Ok(pixels
            .chunks_exact(4)
            .enumerate()
            .flat_map(scores)
            .collect())
    })
}

fn same(_: usize, _: usize, scores: [f32; 3]) -> [f32; 3] {
    scores
}

fn softmax(_: usize, _: usize, scores: [f32; 3]) -> [f32; 3] {
    let sum: f32 = scores.iter().map(|z| z.exp()).sum();
    scores.map(|z| z.exp() / sum)
}

/// A version whose samples were recorded with `engine`.
fn recorded(network: Scripted, kind: OutputKind) -> VersionFiles {
    let transform = Transform {
        mean: vec![0.5],
        std: vec![0.5],
        ..Transform::plain(image::Color::Gray, 2, 2)
    };
    let mut golden: Vec<Golden> = [
        ("dark", [0, 10, 20, 30]),
        ("bright", [250; 4]),
        ("odd", [1, 250, 3, 99]),
    ]
    .map(|(name, pixels)| Golden {
        name: name.into(),
        image: png(2, 2, ColorType::Grayscale, &pixels).into(),
        outputs: Vec::new(),
        tolerance: 1e-3,
    })
    .into();
    record(network.build(1).unwrap().as_mut(), &transform, &mut golden).unwrap();
    let input = manifest::Input::new("input", Element::F32);
    let output = manifest::Output::new("output", kind, 3);
    VersionFiles {
        model: "pets".parse().unwrap(),
        version: "v1".parse().unwrap(),
        path: "/nowhere".into(),
        manifest: Manifest::new(input, transform, output),
        labels: Labels::parse("a\nb\nc").unwrap(),
        model_bytes: Bytes::new(),
        golden,
    }
}

fn verdict(files: &VersionFiles, network: Scripted, most_rows: usize) -> String {
    let network: Arc<dyn Blueprint> = Arc::new(network);
    let options = EngineOptions::new(Backend::Tract);
    let prepare = |_: &Bytes, _: &EngineOptions| Ok(network.clone());
    let proof = Proof {
        files,
        engine: &options,
        priority: Priority::Foreground,
        built: &|_| (),
    };
    match proof.of(&prepare, most_rows) {
        Ok(proven) if proven.blueprint.batch_limit() == Some(1) => {
            assert_eq!(proven.most_rows, 1);
            proven.blueprint.describe()
        }
        Ok(proven) => {
            assert_eq!(proven.most_rows, most_rows);
            "trusted".into()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_engine_is_trusted_when_it_reproduces_every_sample() {
    let files = recorded(mean(same), OutputKind::Logits);
    assert_eq!(files.golden.len(), 3);
    for most_rows in [1, 2, 3, 64] {
        assert_eq!(
            verdict(&files, mean(same), most_rows),
            "trusted",
            "{most_rows}"
        );
    }
    let nearly = mean(|_, _, [a, b, c]| [a + 5e-4, b, c]);
    assert_eq!(verdict(&files, nearly, 64), "trusted");
}

#[test]
fn other_outputs_are_refused_even_with_the_same_label() {
    let files = recorded(mean(same), OutputKind::Logits);
    let off = mean(|_, _, [a, b, c]| [a, b * 1.01 + 0.01, c]);
    let message = verdict(&files, off, 64);
    assert!(
        message.starts_with("golden sample `dark` is not reproduced: output 1 is "),
        "{message}"
    );
    let nan = mean(|_, _, [a, b, _]| [a, b, f32::NAN]);
    assert_eq!(
        verdict(&files, nan, 64),
        "golden sample `dark` is not reproduced: output 2 is NaN"
    );
}

#[test]
fn rows_that_leak_into_each_other_are_found() {
    let files = recorded(mean(same), OutputKind::Logits);
    // Right alone, wrong in company: as a network does that normalises over its batch.
    let leaky = || {
        mean(|row, rows, scores| {
            if rows > 1 && row == 1 {
                [0.5; 3]
            } else {
                scores
            }
        })
    };
    assert_eq!(
        verdict(&files, leaky(), 1),
        "trusted",
        "it never sees a batch"
    );
    let words = verdict(&files, leaky(), 2);
    assert!(
        words.starts_with(
            "scripted, one row at a time (in a batch of 2 `dark` is answered otherwise than alone: output "
        ),
        "{words}"
    );
    let mut one = files.clone();
    one.golden.truncate(1);
    let words = verdict(&one, leaky(), 8);
    assert!(
        words.starts_with("scripted, one row at a time (in a batch of 3 `dark` is "),
        "{words}"
    );
    one.golden.clear();
    let words = verdict(&one, leaky(), 8);
    assert!(
        words.starts_with("scripted, one row at a time (in a batch of 2 `a dark picture` is "),
        "{words}"
    );
}

/// B2: rows that only fail together are served one at a time, whatever a failure looks like.
#[test]
fn b2_a_batch_that_fails_is_served_row_by_row() {
    let files = recorded(mean(same), OutputKind::Logits);
    let failing = Scripted::new(4, 3, |pixels, rows| match rows {
        1 => {
            let mean = pixels.iter().sum::<f32>() / 4.0;
            Ok(vec![mean, 2.0 * mean, -mean])
        }
        _ => Err(EngineError::Run("it can't be reshaped\nat length".into())),
    });
    assert_eq!(
        verdict(&files, failing, 64),
        "scripted, one row at a time (a batch of 3 fails: inference failed: it can't be reshaped)"
    );
    let panicking = mean(|_, rows, scores| {
        assert!(rows < 2, "more than one row");
        scores
    });
    assert_eq!(
        verdict(&files, panicking, 64),
        "scripted, one row at a time (a batch of 3 panics)"
    );
}

#[test]
fn logits_and_probabilities_are_not_taken_for_each_other() {
    let probabilities = recorded(mean(softmax), OutputKind::Probabilities);
    assert_eq!(verdict(&probabilities, mean(softmax), 64), "trusted");
    let declared = recorded(mean(softmax), OutputKind::Logits);
    assert_eq!(
        verdict(&declared, mean(softmax), 64),
        "the manifest's `output.kind` is `logits`, but the network answers probabilities: every row is non-negative and sums to 1"
    );
    let declared = recorded(mean(same), OutputKind::Probabilities);
    assert_eq!(
        verdict(&declared, mean(same), 64),
        "the manifest's `output.kind` is `probabilities`, but the network answers logits: output 0 is -0.88235295"
    );
}

#[test]
fn kinds_are_told_apart_by_sign_and_sum() {
    use OutputKind::{Logits, Probabilities};
    let check = |rows: &[&[f32]], expected| assert_eq!(kind_of(rows), expected, "{rows:?}");
    check(&[&[0.5, 0.5], &[1.0, 0.0]], Probabilities);
    check(&[&[0.5, 0.5005]], Probabilities);
    check(&[&[0.5, 0.502]], Logits);
    check(&[&[0.5, 0.5], &[0.6, 0.6]], Logits);
    check(&[&[1.5, -0.5]], Logits);
    check(&[&[f32::NAN, 0.5]], Logits);
}

#[test]
fn a_version_without_samples_still_has_to_answer() {
    let mut files = recorded(mean(same), OutputKind::Logits);
    files.golden.clear();
    assert_eq!(verdict(&files, mean(same), 64), "trusted");
    let infinite = mean(|_, _, _| [0.0, f32::INFINITY, 0.0]);
    assert_eq!(
        verdict(&files, infinite, 64),
        "golden sample `a gray picture` is not reproduced: output 1 is inf"
    );
    assert!(verdict(&files, mean(softmax), 64).contains("answers probabilities"));
}

#[test]
fn what_is_recorded_is_finite_and_decoded() {
    let files = recorded(mean(same), OutputKind::Logits);
    let mut golden = files.golden.clone();
    let nan = mean(|_, _, _| [f32::NAN; 3]);
    let nan = record(
        nan.build(1).unwrap().as_mut(),
        &files.manifest.transform,
        &mut golden,
    );
    assert!(
        matches!(
            nan,
            Err(GoldenError::Mismatch {
                source: Mismatch::NonFinite { class: 0, .. },
                ..
            })
        ),
        "{nan:?}"
    );
    golden[0].image = golden[0].image.slice(..20);
    let cut = record(
        mean(same).build(1).unwrap().as_mut(),
        &files.manifest.transform,
        &mut golden,
    );
    assert!(matches!(cut, Err(GoldenError::Image { .. })), "{cut:?}");
}
