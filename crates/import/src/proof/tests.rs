use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use stillhouse_engine::{Backend, Blueprint, EngineError, scripted::Scripted};
use stillhouse_image::{Color, Filter, Resize};
use stillhouse_store::{
    Labels, Manifest,
    manifest::{Element, Input, Output, OutputKind},
};
use stillhouse_test_support::{ColorType, png};
use tempfile::TempDir;

use super::*;

const CLASSES: usize = 4;

/// Logits that depend on every pixel in its own way, as a network's do.
fn network(input: &[f32], rows: usize) -> Result<Vec<f32>, EngineError> {
    let row = |pixels: &[f32]| -> Vec<f32> {
        let class = |class: usize| {
            let weight =
                |at: usize| ((at * (class + 3) * 37 + class * 11) % 17) as f32 / 17.0 - 0.4;
            let sum: f32 = pixels
                .iter()
                .enumerate()
                .map(|(at, x)| weight(at) * x.tanh())
                .sum();
            0.3 * sum
        };
        (0..CLASSES).map(class).collect()
    };
    Ok(input
        .chunks_exact(input.len() / rows)
        .flat_map(row)
        .collect())
}

fn version(transform: &Transform) -> NewVersion {
    let input = Input::new("x", Element::F32);
    let output = Output::new("y", OutputKind::Logits, CLASSES);
    NewVersion {
        manifest: Manifest::new(input, transform.clone(), output),
        labels: Labels::parse("a\nb\nc\nd").unwrap(),
        model_bytes: Bytes::new(),
        golden: vec![],
    }
}

/// A folder of pictures of this size; smooth, as photographs are.
fn pictures(color: Color, side: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for picture in 0..12_u32 {
        let channels = color.channels() as u32;
        let pixel = |index: u32| {
            let (at, channel) = (index / channels, index % channels);
            let (x, y) = (at % side, at / side);
            let wave = (x * (picture + 2) + y * (2 * picture + 1)) as f32 / side as f32;
            let value = (wave + channel as f32 * 1.3).sin() * 90.0 + 110.0 + 12.0 * channel as f32;
            value as u8
        };
        let bytes: Vec<u8> = (0..side * side * channels).map(pixel).collect();
        let kind = match color {
            Color::Gray => ColorType::Grayscale,
            _ => ColorType::Rgb,
        };
        let path = folder.path().join(format!("{picture:02}.png"));
        fs::write(path, png(side, side, kind, &bytes)).unwrap();
    }
    folder
}

/// What `network` answers to the pictures by a transform.
fn outputs(path: &Path, transform: &Transform) -> Outputs {
    let pictures = Pictures::at(path).unwrap();
    let all: Vec<usize> = (0..pictures.len()).collect();
    let rows = with(transform, |engine, prepare| {
        Trial::new(&pictures, &version(transform), engine, prepare)?.outputs(&all, transform)
    });
    Outputs::new(rows.unwrap()).unwrap()
}

fn with<T>(transform: &Transform, work: impl FnOnce(&EngineOptions, Prepare<'_>) -> T) -> T {
    let blueprint: Arc<dyn Blueprint> =
        Arc::new(Scripted::new(transform.row_len(), CLASSES, network));
    let prepare = |_: &Bytes, _: &EngineOptions| Ok(blueprint.clone());
    work(&EngineOptions::new(Backend::Tract), &prepare)
}

fn verdict(path: &Path, outputs: &Outputs, declared: &Transform) -> Result<Proof, String> {
    with(declared, |engine, prepare| {
        prove(path, outputs, &version(declared), engine, prepare)
    })
    .map_err(|error| error.to_string())
}

fn plain(color: Color) -> Transform {
    Transform::plain(color, 8, 8)
}

#[test]
fn b5_the_right_transform_is_proved() {
    let folder = pictures(Color::Rgb, 12);
    let right = Transform {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        resize: Resize::Crop,
        ..plain(Color::Rgb)
    };
    let given = outputs(folder.path(), &right);
    let proof = verdict(folder.path(), &given, &right).unwrap();
    assert_eq!((proof.pictures, proof.off), (12, 0.0));

    // The trainer's code may end in a softmax, or take the logarithm of one.
    let softmax = |row: &[f32]| -> Vec<f32> {
        let sum: f32 = row.iter().map(|z| z.exp()).sum();
        row.iter().map(|z| z.exp() / sum).collect()
    };
    let probabilities = given.rows().map(softmax);
    let probabilities = Outputs::new(probabilities.collect()).unwrap();
    assert!(verdict(folder.path(), &probabilities, &right).unwrap().off < 1e-4);
    let logarithms = probabilities
        .rows()
        .map(|row| row.iter().map(|p| p.ln()).collect());
    let logarithms = Outputs::new(logarithms.collect()).unwrap();
    assert!(verdict(folder.path(), &logarithms, &right).unwrap().off < 1e-4);
}

#[test]
fn b5_a_wrong_transform_is_found_and_the_right_one_named() {
    let imagenet = Transform {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        ..plain(Color::Rgb)
    };
    let bgr = Transform {
        color: Color::Bgr,
        scale: 1.0,
        mean: vec![103.939, 116.779, 123.68],
        std: vec![1.0],
        ..plain(Color::Bgr)
    };
    let cases = [
        // The right one, the declared one, the flags that lead from this to that.
        (
            imagenet.clone(),
            plain(Color::Rgb),
            "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        ),
        (plain(Color::Rgb), imagenet.clone(), "--mean 0 --std 1"),
        (
            Transform {
                scale: 1.0,
                ..plain(Color::Rgb)
            },
            plain(Color::Rgb),
            "--scale 1",
        ),
        (
            Transform {
                color: Color::Bgr,
                ..imagenet.clone()
            },
            imagenet.clone(),
            "--color bgr",
        ),
        (
            bgr,
            imagenet.clone(),
            "--color bgr --scale 1 --mean 103.939,116.779,123.68 --std 1",
        ),
        (
            Transform {
                resize: Resize::Crop,
                ..imagenet.clone()
            },
            imagenet.clone(),
            "--resize crop",
        ),
        (
            Transform {
                filter: Filter::Nearest,
                ..imagenet.clone()
            },
            imagenet.clone(),
            "--filter nearest",
        ),
        (
            Transform {
                resize: Resize::Crop,
                ..imagenet.clone()
            },
            plain(Color::Rgb),
            "--resize crop --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        ),
    ];
    // Not square: or stretching and cropping to the same size would be alike.
    let folder = pictures(Color::Rgb, 21);
    for (right, declared, expected) in cases {
        let given = outputs(folder.path(), &right);
        let error = verdict(folder.path(), &given, &declared).expect_err(expected);
        assert!(
            error.contains(&format!("With {expected} they are")),
            "{expected}: {error}"
        );
    }
}

#[test]
fn b5_gray_mistakes_and_numbers_that_nobody_knows_are_named() {
    let folder = pictures(Color::Gray, 8);
    let gray = |mean: f32, std: f32| Transform {
        mean: vec![mean],
        std: vec![std],
        ..plain(Color::Gray)
    };
    for (right, expected) in [
        (gray(0.1307, 0.3081), "--mean 0.1307 --std 0.3081"),
        (gray(0.286, 0.353), "--mean 0.286 --std 0.353"),
        (gray(0.5, 0.5), "--mean 0.5 --std 0.5"),
        (
            Transform {
                scale: -1.0 / 255.0,
                ..gray(-1.0, 1.0)
            },
            "--scale -1/255 --mean -1",
        ),
    ] {
        let given = outputs(folder.path(), &right);
        let error = verdict(folder.path(), &given, &gray(0.0, 1.0)).expect_err(expected);
        assert!(
            error.contains(&format!("With {expected} they are")),
            "{expected}: {error}"
        );
    }
    let given = outputs(folder.path(), &gray(0.37, 0.19));
    let error = verdict(folder.path(), &given, &gray(0.0, 1.0)).expect_err("another one");
    let numbers = error
        .split("--mean ")
        .nth(1)
        .expect("a mean")
        .split(' ')
        .collect::<Vec<_>>();
    let [mean, std] = [numbers[0], numbers[2]].map(|number| number.parse::<f64>().unwrap());
    assert!(
        (mean - 0.37).abs() < 0.01 && (std - 0.19).abs() < 0.01,
        "{error}"
    );
}

#[test]
fn b5_outputs_of_another_order_or_another_network_are_refused() {
    let folder = pictures(Color::Gray, 8);
    let gray = plain(Color::Gray);
    let given = outputs(folder.path(), &gray);
    let mut rows: Vec<Vec<f32>> = given.rows().map(<[f32]>::to_vec).collect();
    rows.rotate_left(1);
    let error = verdict(folder.path(), &Outputs::new(rows).unwrap(), &gray).expect_err("moved");
    assert!(error.contains("picture 0 fits row 11"), "{error}");

    let other = given.rows().enumerate().map(|(index, row)| {
        let turned = (0..CLASSES).map(|class| row[(class * 3 + index) % CLASSES]);
        turned.collect()
    });
    let other = Outputs::new(other.collect()).unwrap();
    let error = verdict(folder.path(), &other, &gray).expect_err("another network's");
    assert!(error.contains("None of the usual transforms"), "{error}");
}

#[test]
fn b5_labels_alone_give_a_hint() {
    let folder = pictures(Color::Gray, 8);
    let path = folder.path();
    for picture in 12..30 {
        let copy = path.join(format!("{picture}.png"));
        fs::copy(path.join(format!("{:02}.png", picture % 12)), copy).unwrap();
    }
    let right = Transform {
        mean: vec![0.5],
        std: vec![0.5],
        ..plain(Color::Gray)
    };
    let declared = Transform {
        scale: 1.0,
        ..plain(Color::Gray)
    };
    let given = outputs(path, &right);
    let names = ["a", "b", "c", "d"];
    let lines: Vec<&str> = given.rows().map(|row| names[top(row)]).collect();
    let file = path.join("labels.txt");
    fs::write(&file, lines.join("\n")).unwrap();
    let labels = &version(&right).labels;
    let truth = Truth::read(&file, labels).unwrap();
    assert_eq!((truth.len(), truth.accuracy(&given)), (30, 1.0));
    let hint = |transform: &Transform| {
        with(transform, |engine, prepare| {
            count(path, &truth, &version(transform), engine, prepare)
        })
        .unwrap()
    };
    assert_eq!(
        hint(&right),
        Hint {
            pictures: 30,
            right: 1.0,
            better: None
        }
    );
    let hint = hint(&declared);
    assert!(hint.right < 0.9, "{hint:?}");
    let (flags, right) = hint.better.expect("a better one");
    assert!(right > 0.95 && flags.contains("--scale"), "{flags} {right}");

    fs::write(&file, "a\ne\n").unwrap();
    let error = Truth::read(&file, labels).unwrap_err().to_string();
    assert!(
        error.contains("line 2: `e` is neither a label nor a class below 4"),
        "{error}"
    );
    fs::write(&file, [0, 0, 8, 1, 0, 0, 0, 2, 3, 1]).unwrap();
    assert_eq!(Truth::read(&file, labels).unwrap().len(), 2);
    fs::write(&file, [0, 0, 8, 1, 0, 0, 0, 1, 4]).unwrap();
    assert!(Truth::read(&file, labels).is_err());
}
