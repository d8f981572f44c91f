//! `{"instances": [...]}`: base64 pictures or nested numbers, read in one pass without an intermediate tree.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

/// A picture's tensor has at most channels, rows and columns.
const DEEPEST: usize = 3;

/// The body of a JSON prediction request.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instances<'a> {
    /// In the order of the answers.
    #[serde(borrow)]
    pub instances: Vec<Instance<'a>>,
}

/// One instance.
#[derive(Debug, PartialEq)]
pub(crate) enum Instance<'a> {
    /// `{"b64": "..."}`: an encoded picture.
    Picture {
        /// Borrowed if the JSON string contains no escapes.
        b64: Cow<'a, str>,
    },
    /// `[...]`, `[[...]]` or `[[[...]]]`: a tensor.
    Numbers {
        /// Outermost dimension first.
        shape: Vec<usize>,
        /// Row-major, all finite.
        values: Vec<f32>,
    },
}

impl<'de: 'a, 'a> Deserialize<'de> for Instance<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InstanceVisitor)
    }
}

struct InstanceVisitor;

impl<'de> Visitor<'de> for InstanceVisitor {
    type Value = Instance<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `b64` or nested lists of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Instance<'de>, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Picture<'a> {
            #[serde(borrow)]
            b64: Cow<'a, str>,
        }
        let picture = Picture::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Instance::Picture { b64: picture.b64 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Instance<'de>, A::Error> {
        let mut tensor = Tensor::default();
        Level {
            tensor: &mut tensor,
            depth: 0,
        }
        .visit_seq(list)?;
        Ok(Instance::Numbers {
            shape: tensor.shape,
            values: tensor.values,
        })
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

/// Either a number or a list one level deeper.
struct Level<'t> {
    tensor: &'t mut Tensor,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_> {
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
        self.tensor.values.push(value);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number or a list, nested at most {DEEPEST} deep")
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
        let Self { tensor, depth } = self;
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
                tensor,
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
mod tests {
    use super::*;

    fn shape(json: &str) -> Result<(Vec<usize>, usize), String> {
        let text = format!("{{\"instances\":[{json}]}}");
        let Instances { mut instances } =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match instances.remove(0) {
            Instance::Numbers { shape, values } => Ok((shape, values.len())),
            Instance::Picture { b64 } => Ok((vec![], b64.len())),
        }
    }

    #[test]
    fn nested_numbers_have_one_shape() {
        assert_eq!(shape("[1,2,3]"), Ok((vec![3], 3)));
        assert_eq!(shape("[[1,2,3],[4,5,6.5]]"), Ok((vec![2, 3], 6)));
        assert_eq!(shape("[[[1],[2]],[[3],[4]]]"), Ok((vec![2, 2, 1], 4)));
        assert_eq!(shape("{\"b64\":\"abcd\"}"), Ok((vec![], 4)));
        assert_eq!(shape("[]"), Ok((vec![0], 0)));
    }

    #[test]
    fn what_is_no_tensor_is_refused_with_the_reason() {
        for (json, reason) in [
            ("[[1,2],[3]]", "side by side"),
            ("[1,[2]]", "different depths"),
            ("[[1],2]", "different depths"),
            ("[[],[1]]", "side by side"),
            ("[[[[1]]]]", "nested more than 3 deep"),
            ("[1e39]", "beyond the range"),
            ("[-1e39]", "beyond the range"),
            ("[NaN]", "expected value"),
            ("[\"1\"]", "invalid type: string"),
            ("[null]", "invalid type: null"),
            ("{\"b64\":\"\",\"b64\":\"\"}", "duplicate field"),
            ("{\"data\":\"\"}", "unknown field `data`"),
            ("7", "expected an object with `b64`"),
        ] {
            let error = shape(json).expect_err(json);
            assert!(error.contains(reason), "{json}: {error}");
        }
    }
}
