//! The steps of a prediction, each measured alone in this process: the server's own functions on the same picture.

use std::{convert::Infallible, hint::black_box, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use stillhouse_engine::{Blueprint, Engine, EngineOptions, Sample};

use crate::{
    clock::{cpu_us, cpu_us_of},
    subject::Subject,
};
use stillhouse::{
    golden::contract,
    http::answer::{Classified, Origin, Single, Timings, respond},
    image::{self, Input, Limits, Normalization, Picture},
    rollout::Role,
    version,
};

/// What one picture costs in each step, in CPU-µs.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCosts {
    /// From the file's bytes to its pixels.
    pub decode: f64,
    /// From its pixels to the network's.
    pub resize: f64,
    /// From those to the floats of a batch row.
    pub floats: f64,
    /// By batch size, ascending: the engine's run, per picture.
    pub inference: Vec<(usize, f64)>,
    /// From scores to the classes in the answer.
    pub softmax: f64,
    /// From those to a response with its body.
    pub json: f64,
}

/// The variable parts of one answer, so that one of the same size is written here.
#[derive(Clone, Debug)]
pub struct ObservedAnswer {
    /// The request's id.
    pub request_id: String,
    /// Number of predictions in it.
    pub top_k: usize,
    /// Its timings.
    pub timings: Timings,
}

/// The prepared inputs of all steps.
pub struct Steps<'a> {
    subject: &'a Subject,
    limits: Limits,
    picture: Picture,
    input: Input,
    engine: Box<dyn Engine>,
    sizes: Vec<usize>,
    scores: Vec<f32>,
    answer: ObservedAnswer,
}

impl<'a> Steps<'a> {
    /// Decodes the picture, builds an engine for the largest of `sizes` and runs it once.
    ///
    /// # Errors
    /// The picture can't be decoded, or the engine fails.
    pub fn new(
        subject: &'a Subject,
        options: &EngineOptions,
        limits: Limits,
        sizes: Vec<usize>,
        answer: ObservedAnswer,
    ) -> anyhow::Result<Self> {
        let manifest = &subject.files.manifest;
        let options = contract::options(manifest, options);
        let blueprint: Arc<dyn Blueprint> =
            stillhouse_engine::prepare(&subject.files.model_bytes, &options)?;
        let transform = &manifest.transform;
        let picture = image::decode(&subject.picture, &limits, transform)?;
        let input = Input::Pixels {
            pixels: transform.apply(picture.clone()),
            normalization: Arc::new(Normalization::new(transform)?),
        };
        let most = *sizes.iter().max().context("a batch size")?;
        let mut engine = blueprint.build(most)?;
        input.write(engine.input(1));
        let scores = engine.run(1)?.to_vec();
        Ok(Self {
            subject,
            limits,
            picture,
            input,
            engine,
            sizes,
            scores,
            answer,
        })
    }

    /// Measures every step once, for about `time` each.
    ///
    /// # Errors
    /// The engine fails, or the scores aren't finite.
    pub fn measure(&mut self, time: Duration) -> anyhow::Result<StepCosts> {
        let sizes = self.sizes.clone();
        let inference = sizes
            .into_iter()
            .map(|rows| anyhow::Ok((rows, self.inference(rows, time)?)));
        let inference = inference.collect::<anyhow::Result<_>>()?;
        Ok(StepCosts {
            decode: self.decode(time)?,
            resize: self.resize(time),
            floats: self.floats(time),
            inference,
            softmax: self.softmax(time)?,
            json: self.json(time)?,
        })
    }

    fn decode(&self, time: Duration) -> anyhow::Result<f64> {
        let (bytes, transform): (&Bytes, _) = (
            &self.subject.picture,
            &self.subject.files.manifest.transform,
        );
        Ok(cpu_us(time, || {
            black_box(image::probe(black_box(bytes))?);
            image::decode(black_box(bytes), &self.limits, transform).map(|picture| {
                black_box(picture);
            })
        })?)
    }

    fn resize(&self, time: Duration) -> f64 {
        let transform = &self.subject.files.manifest.transform;
        let work = |picture| drop(black_box(transform.apply(picture)));
        cpu_us_of(time, || self.picture.clone(), work)
    }

    fn floats(&self, time: Duration) -> f64 {
        let mut row = vec![0.0; self.subject.files.manifest.transform.row_len()];
        let measured = cpu_us(time, || {
            self.input.write(&mut row);
            black_box(&row);
            Ok::<_, Infallible>(())
        });
        measured.unwrap_or_else(|never| match never {})
    }

    fn inference(&mut self, rows: usize, time: Duration) -> anyhow::Result<f64> {
        let buffer = self.engine.input(rows);
        let row_len = buffer.len() / rows;
        for row in buffer.chunks_exact_mut(row_len) {
            self.input.write(row);
        }
        let run = cpu_us(time, || {
            self.engine.input(rows);
            self.engine.run(rows).map(|scores| {
                black_box(scores);
            })
        })?;
        Ok(run / rows as f64)
    }

    fn softmax(&self, time: Duration) -> anyhow::Result<f64> {
        let files = &self.subject.files;
        cpu_us(time, || {
            let probabilities =
                version::probabilities(black_box(&self.scores), files.manifest.output.kind)
                    .context("the network's scores for this picture aren't finite")?;
            black_box(self.classified(&probabilities));
            Ok(())
        })
    }

    fn classified(&self, probabilities: &[f32]) -> Classified<'_> {
        let files = &self.subject.files;
        let thresholds = files.manifest.output.thresholds();
        Classified::new(
            probabilities,
            &files.labels,
            thresholds.as_deref(),
            self.answer.top_k,
        )
    }

    fn json(&self, time: Duration) -> anyhow::Result<f64> {
        let files = &self.subject.files;
        let probabilities = version::probabilities(&self.scores, files.manifest.output.kind)
            .context("the network's scores for this picture aren't finite")?;
        let answer = Single {
            origin: Origin {
                request_id: &self.answer.request_id,
                model: files.model.as_str(),
                version: files.version.as_str(),
                role: Role::Stable,
                generation: 1,
                instead_of: None,
            },
            classified: self.classified(&probabilities),
            timings: self.answer.timings,
        };
        cpu_us(time, || {
            // The default status is 200.
            black_box(respond(
                black_box(&answer),
                Default::default(),
                Some(&answer.timings),
            ));
            Ok(())
        })
    }
}
