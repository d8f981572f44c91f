//! `{"instances": [...]}`: base64 pictures or nested numbers, read in one pass without an intermediate tree.
//!
//! What a body may become is limited while it is read: instances are counted as they come, and memory is charged before it
//! is allocated. No error contains what the caller wrote, except as an [`Excerpt`].

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::{ApiError, Inputs, encoded, json_text};
use crate::request_error::RequestError;
use stillhouse_excerpt::Excerpt;
use stillhouse_serving::{Charge, PredictError, PredictInput};

/// A picture's tensor has at most channels, rows and columns.
const DEEPEST: usize = 3;

/// Reads `{"instances": [...]}`; memory that is needed beside the body's is charged.
///
/// # Errors
/// The body is not JSON, has another form, is empty, has too many instances, or doesn't fit into the budget.
pub fn json(body: &[u8], limit: usize, charge: &mut Charge) -> Result<Inputs, ApiError> {
    let text = json_text(body);
    // The message would otherwise be about a map.
    if text.starts_with(b"[") {
        return Err(RequestError::Json("the top level is a list".into()).into());
    }
    // The parser copies a string that contains escapes.
    let copied = match memchr::memchr(b'\\', text) {
        Some(_) => 2 * text.len(),
        None => 0,
    };
    charge.grow(copied)?;
    let mut reading = Reading {
        limit,
        charge,
        inputs: Vec::new(),
        stopped: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Top(&mut reading).deserialize(&mut deserializer);
    let read = read.and_then(|()| deserializer.end());
    let Reading {
        inputs, stopped, ..
    } = reading;
    charge.shrink(copied);
    if let Some(error) = stopped {
        return Err(error.into());
    }
    read.map_err(|error| RequestError::Json(Excerpt::of(error)))?;
    if inputs.is_empty() {
        return Err(PredictError::NoInput.into());
    }
    Ok(Inputs::Many(inputs))
}

/// What has been read so far, and what may still come.
struct Reading<'c> {
    limit: usize,
    charge: &'c mut Charge,
    inputs: Vec<Result<PredictInput, RequestError>>,
    /// Why reading was stopped, where that isn't the text's fault.
    stopped: Option<PredictError>,
}

impl Reading<'_> {
    fn stop<E: Error>(&mut self, error: PredictError) -> E {
        self.stopped = Some(error);
        E::custom("stopped")
    }
}

/// The object at the top.
struct Top<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `instances`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        only(&mut map, "instances", List(self.0))
    }
}

/// The list of instances.
struct List<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of instances")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(One(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One instance: `{"b64": "..."}`, an encoded picture, or `[...]`, `[[...]]` or `[[[...]]]`, a tensor.
struct One<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let limit = self.0.limit;
        if self.0.inputs.len() == limit {
            return Err(self.0.stop(PredictError::TooManyInputs { limit }));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `b64` or nested lists of numbers")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        only(&mut map, "b64", Base64(self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut tensor = Tensor::default();
        Level {
            reading: &mut *self.0,
            tensor: &mut tensor,
            depth: 0,
        }
        .visit_seq(list)?;
        let Tensor { shape, values, .. } = tensor;
        self.0
            .inputs
            .push(Ok(PredictInput::Tensor { shape, values }));
        Ok(())
    }
}

/// The text of a picture, decoded where it is read: a copy of it is never kept.
struct Base64<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for Base64<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Base64<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a picture in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let reading = self.0;
        let index = reading.inputs.len();
        match encoded::decode(text, index, reading.charge) {
            Ok(decoded) => {
                reading.inputs.push(decoded.map(PredictInput::Picture));
                Ok(())
            }
            Err(error) => Err(reading.stop(error)),
        }
    }
}

/// Reads an object with one field.
fn only<'de, A: MapAccess<'de>>(
    map: &mut A,
    field: &'static str,
    value: impl DeserializeSeed<'de, Value = ()>,
) -> Result<(), A::Error> {
    if map.next_key_seed(Key(field))?.is_none() {
        return Err(A::Error::missing_field(field));
    }
    map.next_value_seed(value)?;
    match map.next_key_seed(Key(field))? {
        None => Ok(()),
        Some(()) => Err(A::Error::duplicate_field(field)),
    }
}

/// The only key that an object may have.
struct Key(&'static str);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        match key == self.0 {
            true => Ok(()),
            false => Err(E::custom(format_args!(
                "unknown field `{}`, expected `{}`",
                Excerpt::of(key),
                self.0
            ))),
        }
    }
}

/// A tensor while it is being read: the first list at each depth sets its length, the others must have the same.
#[derive(Default)]
struct Tensor {
    shape: Vec<usize>,
    /// Whether the length at a depth is final.
    known: [bool; DEEPEST],
    values: Vec<f32>,
}

impl Tensor {
    fn push(&mut self, value: f32, charge: &mut Charge) -> Result<(), PredictError> {
        let capacity = self.values.capacity();
        if self.values.len() == capacity {
            let doubled = (2 * capacity).max(64);
            // While the values move, both places exist.
            charge.grow(size_of::<f32>() * doubled)?;
            self.values.reserve_exact(doubled - self.values.len());
            charge.shrink(size_of::<f32>() * capacity);
        }
        self.values.push(value);
        Ok(())
    }
}

/// Either a number or a list one level deeper.
struct Level<'t, 'c> {
    reading: &'t mut Reading<'c>,
    tensor: &'t mut Tensor,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_, '_> {
    fn number<E: Error>(self, value: f64) -> Result<(), E> {
        // The first number determines the depth of the tensor: all lists around it have begun, and none has ended.
        let innermost = self.tensor.shape.len();
        if self.depth != innermost {
            return Err(E::custom("numbers are at different depths"));
        }
        let value = value as f32;
        if !value.is_finite() {
            return Err(E::custom("a number is beyond the range of f32"));
        }
        let pushed = self.tensor.push(value, self.reading.charge);
        pushed.map_err(|error| self.reading.stop(error))
    }
}

impl<'de> Visitor<'de> for Level<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number or a list, nested at most {DEEPEST} deep")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self {
            reading,
            tensor,
            depth,
        } = self;
        if depth == DEEPEST {
            return Err(A::Error::custom(format!(
                "lists are nested more than {DEEPEST} deep"
            )));
        }
        if tensor.shape.len() == depth {
            if !tensor.values.is_empty() {
                return Err(A::Error::custom("numbers are at different depths"));
            }
            tensor.shape.push(0);
        }
        let mut length = 0;
        while list
            .next_element_seed(Level {
                reading: &mut *reading,
                tensor: &mut *tensor,
                depth: depth + 1,
            })?
            .is_some()
        {
            length += 1;
        }
        if !tensor.known[depth] {
            tensor.known[depth] = true;
            tensor.shape[depth] = length;
        } else if tensor.shape[depth] != length {
            return Err(A::Error::custom(format!(
                "lists of {} and of {length} are side by side",
                tensor.shape[depth]
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
