//! Training, from data to a version.

use std::fs;

use stillhouse_distill::{
    bias,
    datasets::Splits,
    devices,
    measure::{compare_with_teacher, score},
    onnx::Graph,
    run::{BEST, LAST, Run},
    teacher::{self, EngineTeacher, NetworkTeacher},
    train::{logits, train},
    version::VersionDraft,
};

use crate::tiny::{CLASSES, CNN, MLP, answers, config, learn, workplace};

#[test]
fn a_student_learns_from_soft_targets_alone() {
    let folder = workplace();
    let path = folder.path();
    learn(
        &config(path, CNN, &[]).unwrap(),
        &path.join("teacher"),
        None,
    )
    .unwrap();
    let student = config(
        path,
        MLP,
        &[
            "train.epochs=15",
            "augment.shift=1",
            "augment.mixup=0.2",
            &format!(
                "distill={{teacher='{}/teacher',temperature=4,alpha=1}}",
                path.display()
            ),
        ],
    )
    .unwrap();
    // No labels at all for the student.
    let mut unlabelled = student.clone();
    unlabelled.data.train_labels = None;
    let device = devices::parse("cpu").unwrap();
    let mut teacher = teacher::open(&path.join("teacher"), &student.transform, &device).unwrap();
    let (data, network) =
        learn(&unlabelled, &path.join("student"), Some(teacher.as_mut())).unwrap();
    let own = answers(&student, &data, network);
    let theirs = logits(teacher.as_mut(), &data.test, student.size()).unwrap();
    let agreement = compare_with_teacher(&theirs, &own, CLASSES).agreement;
    assert!(agreement > 0.9, "{agreement}");

    let metrics = Run::open(&path.join("student"))
        .unwrap()
        .0
        .metrics()
        .unwrap();
    assert_eq!(metrics.len(), 15);
    assert!(metrics[14].loss < metrics[0].loss);
    assert!(
        fs::read_to_string(path.join("student/curves.svg"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn the_written_graph_answers_as_the_network_does() {
    for architecture in [MLP, CNN] {
        let folder = workplace();
        let path = folder.path();
        let config = config(path, architecture, &["train.epochs=2"]).unwrap();
        let (data, network) = learn(&config, &path.join("run"), None).unwrap();
        let shape = config.shape(CLASSES);
        let mut graph = Graph::new();
        let output = network.to_graph(&mut graph);
        let own = answers(&config, &data, network);
        let draft = VersionDraft {
            description: "tiny".to_owned(),
            graph: graph.finish("tiny", shape.picture, CLASSES, &output),
            transform: config.transform.clone(),
            training: Default::default(),
            labels: &data.labels,
            validation: &data.test,
            logits: own.clone(),
            teacher: None,
        };
        let version = path.join("models/tiny/v1");
        let manifest = draft.write(&version, false).unwrap();
        assert_eq!(manifest.golden.len(), CLASSES);
        let reference = manifest.reference.unwrap();
        assert!((reference.class_ratios.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(
            draft
                .write(&version, false)
                .unwrap_err()
                .to_string()
                .contains("--force")
        );
        assert_eq!(
            fs::read_dir(path.join("models/tiny")).unwrap().count(),
            2,
            "nothing is left beside it and the labels"
        );

        let mut engine = EngineTeacher::version(&version).unwrap();
        let theirs = logits(&mut engine, &data.test, config.size()).unwrap();
        let worst = own
            .iter()
            .zip(&theirs)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        let largest = own.iter().map(|z| z.abs()).fold(1.0, f32::max);
        assert!(
            worst <= 1e-3 * largest,
            "{architecture}: {worst} of {largest}"
        );

        fs::write(version.join("model.onnx"), b"something else").unwrap();
        let error = format!("{:#}", EngineTeacher::version(&version).err().unwrap());
        assert!(error.contains("sha256"), "{error}");
    }
}

#[test]
fn a_run_that_was_cut_off_ends_as_one_that_was_not() {
    let folder = workplace();
    let path = folder.path();
    let whole = config(
        path,
        MLP,
        &[
            "train.epochs=4",
            "train.decay='constant'",
            "augment.shift=1",
        ],
    )
    .unwrap();
    let (data, network) = learn(&whole, &path.join("whole"), None).unwrap();
    let expected = answers(&whole, &data, network);

    let mut half = whole.clone();
    half.train.epochs = 2;
    learn(&half, &path.join("cut"), None).unwrap();
    let version_path = path.join("cut").join(LAST).join("progress.json");
    let text = fs::read_to_string(&version_path)
        .unwrap()
        .replace("\"finished\":true", "\"finished\":false");
    fs::write(&version_path, text).unwrap();
    let device = devices::parse("cpu").unwrap();
    let run = Run::open(&path.join("cut")).unwrap().0;
    let network = train(&whole, &data, None, &device, &run, true).unwrap();
    assert_eq!(answers(&whole, &data, network), expected);
    assert_eq!(run.metrics().unwrap().len(), 4);
}

#[test]
fn patience_keeps_the_best_network() {
    let folder = workplace();
    let path = folder.path();
    let settings = [
        "data.holdout=100",
        "train.patience=2",
        "train.epochs=60",
        "train.learning_rate=0.05",
    ];
    let config = config(path, MLP, &settings).unwrap();
    let (data, network) = learn(&config, &path.join("run"), None).unwrap();
    let run = Run::open(&path.join("run")).unwrap().0;
    let losses: Vec<f64> = run
        .metrics()
        .unwrap()
        .iter()
        .map(|metrics| metrics.holdout_loss.unwrap())
        .collect();
    let device = devices::parse("cpu").unwrap();
    let (best, progress) = run
        .load(BEST, &config, config.shape(CLASSES), &device)
        .unwrap();
    let (loss, epoch) = progress.best.unwrap();
    assert_eq!(losses.iter().copied().fold(f64::INFINITY, f64::min), loss);
    assert_eq!(losses[epoch - 1], loss);
    assert_eq!(
        answers(&config, &data, network),
        answers(&config, &data, best)
    );
}

#[test]
fn a_loss_that_is_not_finite_stops_and_names_the_step() {
    let folder = workplace();
    let path = folder.path();
    let config = config(
        path,
        MLP,
        &["train.optimizer='sgd'", "train.learning_rate=1e30"],
    )
    .unwrap();
    let error = learn(&config, &path.join("run"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("at step ") && error.contains("is kept in"),
        "{error}"
    );
    assert!(path.join("run").join(LAST).exists());
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = workplace();
    let path = folder.path();
    let tiny = config(path, MLP, &["train.epochs=1"]).unwrap();
    learn(&tiny, &path.join("run"), None).unwrap();
    let again = learn(&tiny, &path.join("run"), None)
        .unwrap_err()
        .to_string();
    assert!(again.contains("--force"), "{again}");

    fs::write(path.join("labels.txt"), "low\nmiddle\nhigh\nhighest\n").unwrap();
    let missing = learn(&tiny, &path.join("other"), None)
        .unwrap_err()
        .to_string();
    assert!(missing.contains("no picture of highest"), "{missing}");
    let known = config(path, MLP, &["data.leave_out=[3]"]).unwrap();
    fs::write(path.join("labels.txt"), "low\nmiddle\nhigh\n").unwrap();
    let device = devices::parse("cpu").unwrap();
    let mut teacher = teacher::open(&path.join("run"), &tiny.transform, &device).unwrap();
    fs::write(path.join("labels.txt"), "low\nmiddle\nhigh\nhighest\n").unwrap();
    let count = learn(&known, &path.join("third"), Some(teacher.as_mut()))
        .unwrap_err()
        .to_string();
    assert!(
        count.contains("the teacher gives 3 scores, but there are 4 labels"),
        "{count}"
    );

    fs::write(path.join("labels.txt"), "low\nmiddle\nhigh\n").unwrap();
    let hard = config(
        path,
        MLP,
        &["distill={teacher='run',temperature=4,alpha=0.5}"],
    )
    .unwrap();
    let mut unlabelled = hard.clone();
    unlabelled.data.train_labels = None;
    let alpha = learn(&unlabelled, &path.join("fourth"), Some(teacher.as_mut()))
        .unwrap_err()
        .to_string();
    assert!(alpha.contains("distill.alpha must be 1"), "{alpha}");
    assert!(teacher::open(&path.join("nowhere"), &tiny.transform, &device).is_err());
}

#[test]
fn soft_targets_bring_back_what_was_never_seen() {
    // The reduced form of the experiment without threes: a class is left out of the transfer set, then its bias raised.
    let folder = workplace();
    let path = folder.path();
    learn(
        &config(path, CNN, &["train.epochs=6"]).unwrap(),
        &path.join("teacher"),
        None,
    )
    .unwrap();
    let device = devices::parse("cpu").unwrap();
    let settings = [
        "data.leave_out=[1]",
        "train.epochs=10",
        "distill={teacher='t',temperature=8,alpha=1}",
    ];
    let student = config(path, MLP, &settings).unwrap();
    let mut teacher = teacher::open(&path.join("teacher"), &student.transform, &device).unwrap();
    let (data, network) = learn(&student, &path.join("student"), Some(teacher.as_mut())).unwrap();
    let whole = Splits::read(&config(path, MLP, &[]).unwrap().data, &student.transform, 0).unwrap();
    let mut network = NetworkTeacher::new(network, student.transform.clone(), CLASSES, device);
    let unlabelled = logits(&mut network, &whole.train, student.size()).unwrap();
    let raise = bias::correction(&unlabelled, CLASSES, 1, 1.0 / 3.0);
    let mut test = logits(&mut network, &data.test, student.size()).unwrap();
    let labels = data.test.labels.as_deref().unwrap();
    let before = score(&test, CLASSES, labels);
    bias::raise(&mut test, CLASSES, 1, raise);
    let after = score(&test, CLASSES, labels);
    assert!(
        after.errors <= before.errors,
        "{} errors, then {}",
        before.errors,
        after.errors
    );
    assert!(
        after.errors_per_class[1] * 2 < after.samples_per_class[1],
        "{:?}",
        after.errors_per_class
    );
}
