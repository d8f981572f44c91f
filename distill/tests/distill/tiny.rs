//! A tiny data set and the configurations to learn it.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{fs, path::Path};

use stillhouse_distill::{
    config::Config,
    datasets::Splits,
    devices,
    network::Network,
    run::Run,
    teacher::{NetworkTeacher, Teacher},
    train::{logits, train},
};

pub(crate) const SIDE: usize = 8;
pub(crate) const CLASSES: usize = 3;

/// Pictures of 8×8: a bright row whose height is the class, at a random brightness, in noise.
pub(crate) fn write_pictures(folder: &Path, name: &str, count: usize, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut images = vec![0, 0, 8, 3];
    let mut labels = vec![0, 0, 8, 1];
    for dim in [count, SIDE, SIDE] {
        images.extend((dim as u32).to_be_bytes());
    }
    labels.extend((count as u32).to_be_bytes());
    for i in 0..count {
        let class = i % CLASSES;
        labels.push(class as u8);
        let bright = rng.random_range(60..200_u8);
        for y in 0..SIDE {
            for _ in 0..SIDE {
                let noise = rng.random_range(0..55_u8);
                images.push(if y == 2 * class + 1 {
                    bright + noise
                } else {
                    noise
                });
            }
        }
    }
    fs::write(folder.join(format!("{name}-images")), images).unwrap();
    fs::write(folder.join(format!("{name}-labels")), labels).unwrap();
}

pub(crate) fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_pictures(folder.path(), "train", 600, 1);
    write_pictures(folder.path(), "test", 150, 2);
    fs::write(folder.path().join("labels.txt"), "low\nmiddle\nhigh\n").unwrap();
    folder
}

pub(crate) fn config(
    folder: &Path,
    architecture: &str,
    settings: &[&str],
) -> anyhow::Result<Config> {
    let folder = folder.display();
    let text = format!(
        "[data]\ntrain = '{folder}/train-images'\ntrain_labels = '{folder}/train-labels'\n\
         test = '{folder}/test-images'\ntest_labels = '{folder}/test-labels'\nlabels = '{folder}/labels.txt'\n\
         [transform]\ncolor = 'gray'\nwidth = 8\nheight = 8\nscale = 0.003921569\nmean = [0.3]\nstd = [0.25]\n\
         [architecture]\n{architecture}\n[train]\nepochs = 4\nbatch = 50\nlearning_rate = 0.01\n"
    );
    Config::parse(
        &text,
        &settings
            .iter()
            .map(|&setting| setting.to_owned())
            .collect::<Vec<_>>(),
    )
}

pub(crate) const MLP: &str = "kind = 'mlp'\nwidths = [16]";
pub(crate) const CNN: &str = "kind = 'cnn'\nstem = 4\nstages = [\n\
    { cell = 'plain', channels = 4 },\n{ cell = 'residual', channels = 6, stride = 2 },\n\
    { cell = 'residual', channels = 6 },\n{ cell = 'depthwise', channels = 6 },\n{ cell = 'depthwise', channels = 8 } ]";

pub(crate) fn learn(
    config: &Config,
    folder: &Path,
    teacher: Option<&mut dyn Teacher>,
) -> anyhow::Result<(Splits, Network)> {
    let device = devices::parse("cpu")?;
    let data = Splits::read(&config.data, &config.transform, config.seed)?;
    let run = Run::create(folder, config, false)?;
    let network = train(config, &data, teacher, &device, &run, false)?;
    Ok((data, network))
}

pub(crate) fn answers(config: &Config, data: &Splits, network: Network) -> Vec<f32> {
    let device = devices::parse("cpu").unwrap();
    let mut network = NetworkTeacher::new(network, config.transform.clone(), CLASSES, device);
    logits(&mut network, &data.test, config.size()).unwrap()
}
