//! Flags for what a network's graph doesn't state: preprocessing, outputs, golden samples.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use stillhouse_engine::EngineOptions;

use crate::{
    image::{Color, Filter, Layout, Resize},
    import::{self, Described, Overrides, number, numbers, size},
    store::{Labels, manifest::OutputKind},
};

/// A value that isn't given is read from the graph or, if the graph doesn't state it, set to a default; either choice
/// is printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "From picture to tensor: x = (byte * scale - mean) / std")]
pub struct Network {
    /// The network's picture size in pixels, if the graph leaves it open or its input is a flat row
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Channel order: gray, rgb or bgr [default: gray or rgb, by the number of channels]
    #[arg(long, value_parser = word::<Color>)]
    color: Option<Color>,
    /// The position of the channel axis: nchw or nhwc [default: as the graph's input shape shows]
    #[arg(long, value_parser = word::<Layout>)]
    layout: Option<Layout>,
    /// stretch, fit-pad or crop [default: stretch]
    #[arg(long, value_parser = word::<Resize>)]
    resize: Option<Resize>,
    /// With --resize crop: length of the shorter side before the crop [default: size / 0.875]
    #[arg(long, value_name = "PIXELS")]
    resize_to: Option<u32>,
    /// With --resize fit-pad: the background, 0 to 255 [default: 0]
    #[arg(long, value_name = "BYTE")]
    pad: Option<u8>,
    /// nearest, box, bilinear, bicubic or lanczos3 [default: bilinear]
    #[arg(long, value_parser = word::<Filter>)]
    filter: Option<Filter>,
    /// Bytes are multiplied by this first [default: 1/255]
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    scale: Option<f32>,
    /// Subtracted second; one number or one per channel, in the network's channel order [default: 0].
    /// torchvision's networks need 0.485,0.456,0.406
    #[arg(long, value_name = "NUMBERS", value_parser = list)]
    mean: Option<List>,
    /// Divided by this last; one number or one per channel [default: 1]. torchvision's networks need 0.229,0.224,0.225
    #[arg(long, value_name = "NUMBERS", value_parser = list)]
    std: Option<List>,
    /// What the scores are: logits or probabilities (exactly one label applies), independent or independent-logits (any
    /// number of labels applies, each with a probability of its own) [default: as the graph and its outputs show]
    #[arg(long, value_name = "KIND", value_parser = word::<OutputKind>, help_heading = "Output")]
    output: Option<OutputKind>,
    /// With independent scores: the probability from which a label applies; one number or one per class [default: 0.5]
    #[arg(long, value_name = "NUMBERS", value_parser = list, help_heading = "Output")]
    threshold: Option<List>,
    /// Run the network one picture at a time [default: where pictures that share a run change each other's answers]
    #[arg(long, help_heading = "Output")]
    one_row_at_a_time: bool,
    /// The graph's output that holds the scores [default: the first suitable one]
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    output_name: Option<String>,
    /// A picture whose outputs are recorded and must be reproduced wherever the version is loaded; may be repeated
    /// [default: four generated ones]
    #[arg(long, value_name = "PICTURE", help_heading = "Output")]
    golden: Vec<PathBuf>,
}

/// Several numbers in one argument; a `Vec` would make clap expect several arguments.
#[derive(Clone, Debug)]
struct List(Vec<f32>);

fn list(text: &str) -> Result<List, String> {
    numbers(text).map(List)
}

/// A word as the manifest writes it.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|error: Error| error.to_string())
}

impl Network {
    /// The names of the files given as golden pictures.
    pub(super) fn golden_files(&self) -> impl Iterator<Item = String> {
        let name = |path: &PathBuf| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into()
        };
        self.golden.iter().map(name)
    }

    /// Reads the graph and the pictures, chooses what the flags leave open, and records the golden outputs.
    ///
    /// # Errors
    /// A file that can't be read, a graph that can't be served, pictures that can't be decoded.
    pub fn describe(
        &self,
        onnx: &Path,
        labels: &Labels,
        description: &str,
        engine: &EngineOptions,
    ) -> anyhow::Result<Described> {
        let bytes = Bytes::from(fs::read(onnx).with_context(|| onnx.display().to_string())?);
        let overrides = self.overrides(description);
        let read = |path: &PathBuf| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Ok((
                name,
                Bytes::from(fs::read(path).with_context(|| path.display().to_string())?),
            ))
        };
        let pictures = self
            .golden
            .iter()
            .map(read)
            .collect::<anyhow::Result<_>>()?;
        let described = import::describe(
            &bytes,
            labels,
            &overrides,
            import::named(pictures),
            engine,
            &stillhouse_engine::prepare,
        );
        described.with_context(|| format!("{} can't be served", onnx.display()))
    }
}

impl Network {
    fn overrides(&self, description: &str) -> Overrides {
        Overrides {
            size: self.size,
            color: self.color,
            layout: self.layout,
            resize: self.resize,
            resize_to: self.resize_to,
            pad: self.pad,
            filter: self.filter,
            scale: self.scale,
            mean: self.mean.clone().map(|list| list.0),
            std: self.std.clone().map(|list| list.0),
            output_name: self.output_name.clone(),
            output_kind: self.output,
            thresholds: self.threshold.clone().map(|list| list.0),
            one_row_at_a_time: self.one_row_at_a_time,
            description: description.into(),
        }
    }

    /// The classes' numbers as labels, for who has no names for them.
    ///
    /// # Errors
    /// The file can't be read, or its graph isn't one that is served.
    pub(super) fn numbered_labels(&self, onnx: &Path) -> anyhow::Result<Labels> {
        let bytes = Bytes::from(fs::read(onnx).with_context(|| onnx.display().to_string())?);
        let classes = import::classes(&bytes, &self.overrides(""))
            .with_context(|| format!("{} can't be served", onnx.display()))?;
        let numbers = (0..classes).map(|class| class.to_string()).collect();
        let labels =
            Labels::new(numbers).map_err(|detail| anyhow!("{}: {detail}", onnx.display()))?;
        say!(
            "  labels = 0 to {} (default: the classes' numbers; --labels FILE names them)",
            classes.saturating_sub(1)
        );
        Ok(labels)
    }
}

/// Reads a label file. Repeated labels are numbered to make them distinct, and each such change is printed.
pub(super) fn read_labels(path: &Path) -> anyhow::Result<Labels> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let (labels, choices) =
        import::read_labels(&text).map_err(|detail| anyhow!("{}: {detail}", path.display()))?;
    choices.iter().for_each(|choice| say!("  {choice}"));
    Ok(labels)
}
