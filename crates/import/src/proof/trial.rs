//! The network, run on some pictures with any transform.

use std::sync::Arc;

use stillhouse_engine::{Engine, EngineOptions, Sample};
use stillhouse_golden::contract;
use stillhouse_image::{Input, Normalization, Transform};
use stillhouse_store::NewVersion;

use super::super::{ImportError, Prepare, validation::Pictures};

pub(super) struct Trial<'a> {
    pictures: &'a Pictures,
    network: Box<dyn Engine>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(
        pictures: &'a Pictures,
        version: &NewVersion,
        engine: &EngineOptions,
        prepare: Prepare<'_>,
    ) -> Result<Self, ImportError> {
        let options = contract::options(&version.manifest, engine);
        Ok(Self {
            pictures,
            network: prepare(&version.model_bytes, &options)?.build(1)?,
        })
    }

    /// The raw outputs for these pictures.
    pub(super) fn outputs(
        &mut self,
        pictures: &[usize],
        transform: &Transform,
    ) -> Result<Vec<Vec<f32>>, ImportError> {
        let normalization = Normalization::new(transform);
        let normalization =
            Arc::new(normalization.map_err(|error| ImportError::Frame(error.to_string()))?);
        let mut all = Vec::with_capacity(pictures.len());
        for index in pictures {
            let pixels = transform.apply(self.pictures.picture(*index, transform)?);
            let input = Input::Pixels {
                pixels,
                normalization: normalization.clone(),
            };
            input.write(self.network.input(1));
            all.push(self.network.run(1)?.to_vec());
        }
        Ok(all)
    }

    /// Whether one of these pictures has another size than the network's input.
    pub(super) fn resizes(
        &self,
        pictures: &[usize],
        transform: &Transform,
    ) -> Result<bool, ImportError> {
        for index in pictures {
            let full_size = self.pictures.picture(*index, transform)?.full_size();
            if full_size != (transform.width, transform.height) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
