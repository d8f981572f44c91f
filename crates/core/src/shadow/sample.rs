//! An answer to be compared, with everything that the other versions need to answer the same picture.

use std::{hash::Hasher, sync::Arc};

use bytes::Bytes;
use siphasher::sip::SipHasher13;

use super::Miss;
use crate::{
    rollout::{Deployment, Role, Seat},
    version::Version,
};
use stillhouse_image::{self as image, Input, Limits, Statistics, Thumbnail};

/// A picture as it was received.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The file.
    pub bytes: Bytes,
    /// Width and height in pixels, after rotation to upright.
    pub full_size: (u32, u32),
}

/// An answer with its input.
pub struct Sample {
    /// The deployment that answered it.
    pub deployment: Arc<Deployment>,
    /// The role that answered.
    pub role: Role,
    /// The raw outputs, `[classes]`.
    pub scores: Box<[f32]>,
    /// The pixels as the version that answered read them.
    pub input: Input,
    /// The encoded picture, for versions that read it differently; none for numbers.
    pub encoded: Option<Encoded>,
    /// A hash of the caller's key, if there is one.
    pub caller: Option<u64>,
}

impl Sample {
    /// The seat that answered.
    pub(super) fn answered_by(&self) -> &Arc<Seat> {
        let seat = self.deployment.seat(self.role);
        seat.unwrap_or(&self.deployment.stable)
    }

    /// What counts once among failures: the caller, or without a key the input as it was received. A live request that fails
    /// is counted by the same number.
    pub(super) fn counted_as(&self) -> u64 {
        match (self.caller, &self.encoded) {
            (Some(caller), _) => caller,
            (None, Some(encoded)) => hash(&encoded.bytes),
            (None, None) => self.picture(),
        }
    }

    /// Writes the picture as `version` reads it: from the same decoded pixels if both versions read pictures the same
    /// way.
    ///
    /// # Errors
    /// The picture can't be converted for this version.
    pub(super) fn write(
        &self,
        version: &Version,
        limits: &Limits,
        row: &mut [f32],
    ) -> Result<(), Miss> {
        let own = &self.answered_by().version.manifest.transform;
        let other = &version.manifest.transform;
        let element = |version: &Version| version.manifest.input.element;
        let same = own == other && element(&self.answered_by().version) == element(version);
        match &self.input {
            Input::Numbers(numbers) if same => row.copy_from_slice(numbers),
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

    /// A hash of the picture as the version that answered read it.
    pub(super) fn picture(&self) -> u64 {
        match &self.input {
            Input::Pixels { pixels, .. } => hash(pixels.bytes()),
            Input::Numbers(numbers) => hash_numbers(numbers),
        }
    }

    /// The watched statistics of the picture; none for numbers.
    pub(super) fn statistics(&self, thumbnail: &mut Thumbnail) -> Option<Statistics> {
        let Input::Pixels { pixels, .. } = &self.input else {
            return None;
        };
        let transform = &self.answered_by().version.manifest.transform;
        let full_size = self.encoded.as_ref()?.full_size;
        Some(Statistics::of(pixels, transform, full_size, thumbnail))
    }
}

/// Of an input's bytes: distinguishes callers without a key.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The same of numbers.
pub fn hash_numbers(numbers: &[f32]) -> u64 {
    let mut hasher = SipHasher13::new();
    for number in numbers {
        hasher.write(&number.to_le_bytes());
    }
    hasher.finish()
}
