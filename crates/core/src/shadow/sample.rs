//! One answer that is to be compared, with everything that the others need to answer it, too.

use std::sync::Arc;

use bytes::Bytes;

use super::Miss;
use crate::{
    rollout::{Deployment, Role, Seat},
    version::Version,
};
use stillhouse_image::{self as image, Input, Limits, Statistics, Thumbnail};

/// A picture as it came.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The file.
    pub bytes: Bytes,
    /// Upright width and height in pixels.
    pub full_size: (u32, u32),
}

/// An answer with its question.
pub struct Sample {
    /// Who was seated when it was answered.
    pub deployment: Arc<Deployment>,
    /// Who answered.
    pub role: Role,
    /// The raw outputs, `[classes]`.
    pub scores: Box<[f32]>,
    /// As the version that answered read it.
    pub input: Input,
    /// For versions that read it otherwise; none of numbers.
    pub encoded: Option<Encoded>,
    /// A hash of the caller's key, where there is one.
    pub caller: Option<u64>,
}

impl Sample {
    /// The seat that answered.
    pub(super) fn answered_by(&self) -> &Arc<Seat> {
        let seat = self.deployment.seat(self.role);
        seat.unwrap_or(&self.deployment.stable)
    }

    /// Writes the same picture as `version` reads it: from the same decoded pixels where both make the same of a picture.
    ///
    /// # Errors
    /// It can't be had for this version.
    pub(super) fn write(
        &self,
        version: &Version,
        limits: &Limits,
        row: &mut [f32],
    ) -> Result<(), Miss> {
        let own = &self.answered_by().version.manifest.transform;
        let other = &version.manifest.transform;
        match &self.input {
            Input::Numbers(numbers) if own == other => row.copy_from_slice(numbers),
            Input::Numbers(_) => return Err(Miss::Incomparable),
            Input::Pixels { pixels, .. } if own.makes_the_same_pixels(other) => {
                version.normalization().write(pixels.bytes(), row);
            }
            Input::Pixels { .. } => {
                let encoded = self.encoded.as_ref().ok_or(Miss::Undecodable)?;
                let picture = image::decode(&encoded.bytes, limits, other);
                let pixels = other.apply(picture.map_err(|_| Miss::Undecodable)?);
                version.normalization().write(pixels.bytes(), row);
            }
        }
        Ok(())
    }

    /// What is watched of the picture; nothing of numbers.
    pub(super) fn statistics(&self, thumbnail: &mut Thumbnail) -> Option<Statistics> {
        let Input::Pixels { pixels, .. } = &self.input else {
            return None;
        };
        let transform = &self.answered_by().version.manifest.transform;
        let full_size = self.encoded.as_ref()?.full_size;
        Some(Statistics::of(pixels, transform, full_size, thumbnail))
    }
}
