//! Teachers: ONNX files on the server's own engine, or networks trained here.

mod engine;
mod interface;
mod network;

pub use engine::EngineTeacher;
pub use interface::Teacher;
pub use network::NetworkTeacher;

use anyhow::{Result, bail, ensure};
use burn::tensor::Device;
use std::path::Path;
use stillhouse_image::Transform;

use crate::{
    batches::Pixels,
    datasets::read_labels,
    run::{self, Run},
};

/// Opens the teacher at `path`: a run's directory (its network runs on `device`), a version's directory or an ONNX
/// file. A plain ONNX file gets input made with the student's `transform`; the others have their own.
///
/// # Errors
/// No teacher at `path`, or a network that can't be loaded.
pub fn open(path: &Path, transform: &Transform, device: &Device) -> Result<Box<dyn Teacher>> {
    let teacher = read(path, transform, device)?;
    let (its, ours) = (teacher.transform(), transform);
    ensure!(
        (its.width, its.height, its.color) == (ours.width, ours.height, ours.color),
        "{} reads {:?} pictures of {}×{}, the student {:?} ones of {}×{}: both must see the same pixels",
        path.display(),
        its.color,
        its.width,
        its.height,
        ours.color,
        ours.width,
        ours.height
    );
    Ok(teacher)
}

fn read(path: &Path, transform: &Transform, device: &Device) -> Result<Box<dyn Teacher>> {
    if path.join("config.toml").exists() {
        let (run, config) = Run::open(path)?;
        let classes = read_labels(&config.data.labels)?.len();
        let (network, _) = run.load(run::result(&run)?, &config, config.shape(classes), device)?;
        return Ok(Box::new(NetworkTeacher::new(
            network,
            config.transform,
            classes,
            device.clone(),
        )));
    }
    if path.join("manifest.toml").exists() {
        return Ok(Box::new(EngineTeacher::version(path)?));
    }
    if path.is_file() {
        return Ok(Box::new(EngineTeacher::file(path, transform)?));
    }
    bail!(
        "{} is not a teacher: give a run's directory, a version's directory or an ONNX file",
        path.display()
    );
}

/// A teacher's probabilities at `temperature`, the mean over `copies` shifted copies (the first unshifted).
///
/// # Errors
/// As [`Teacher::logits`].
pub fn soften(
    teacher: &mut dyn Teacher,
    pixels: &Pixels,
    temperature: f64,
    copies: usize,
) -> Result<Vec<f32>> {
    let classes = teacher.classes();
    let mut sum = vec![0.0; pixels.rows() * classes];
    for copy in 0..copies {
        let moved = (copy > 0).then(|| pixels.moved(offset(copy)));
        let logits = teacher.logits(moved.as_ref().unwrap_or(pixels))?;
        for (row, sum) in logits
            .chunks_exact(classes)
            .zip(sum.chunks_exact_mut(classes))
        {
            crate::measure::softmax(row, temperature)
                .zip(sum)
                .for_each(|(p, sum)| *sum += p);
        }
    }
    Ok(sum
        .into_iter()
        .map(|p: f64| (p / copies as f64) as f32)
        .collect())
}

/// Offsets (rows, columns) of the copies: the eight directions, one pixel away, then two pixels away, and so on.
fn offset(copy: usize) -> (isize, isize) {
    const AROUND: [(isize, isize); 8] = [
        (0, 1),
        (1, 0),
        (0, -1),
        (-1, 0),
        (1, 1),
        (-1, -1),
        (1, -1),
        (-1, 1),
    ];
    let (down, right) = AROUND[(copy - 1) % 8];
    let far = 1 + (copy as isize - 1) / 8;
    (down * far, right * far)
}
