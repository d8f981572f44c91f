//! Parses a response body without copying: an answer to one picture, or problem details.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// An answer to one picture, reduced to the fields that are checked.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    pub generation: u64,
    #[serde(borrow)]
    pub predictions: TopPrediction<'a>,
}

/// The first of a list of predictions.
#[derive(Debug, PartialEq)]
pub(crate) struct TopPrediction<'a> {
    pub label: Cow<'a, str>,
    pub probability: f64,
}

/// Problem details (RFC 9457), as far as they name the reason.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
}

/// Parses the body of a 200 response.
///
/// # Errors
/// A body that isn't an answer, or a probability outside 0 to 1.
pub(crate) fn read(body: &[u8]) -> Result<Answer<'_>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let probability = answer.predictions.probability;
    if !(0.0..=1.0).contains(&probability) {
        return Err(format!("{probability} is no probability"));
    }
    Ok(answer)
}

/// The `code` of problem details; empty if the body has none.
pub(crate) fn code(body: &[u8]) -> Cow<'_, str> {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    problem.code.unwrap_or_default()
}

impl<'de: 'a, 'a> Deserialize<'de> for TopPrediction<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Prediction<'a> {
            #[serde(borrow)]
            label: Cow<'a, str>,
            probability: f64,
        }

        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = TopPrediction<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of at least one prediction")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<TopPrediction<'de>, A::Error> {
                let Some(Prediction { label, probability }) = list.next_element()? else {
                    return Err(serde::de::Error::invalid_length(0, &self));
                };
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TopPrediction { label, probability })
            }
        }

        deserializer.deserialize_seq(First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"request_id":"01a2","model":"fashion","version":"s1","role":"stable","generation":4,
        "predictions":[{"label":"Ankle \"boot\"","class":9,"probability":0.99},{"label":"Sneaker","class":7,"probability":0.01}],
        "timings":{"decode_seconds":0.000034582,"batch_size":1}}"#;

    #[test]
    fn an_answer_is_read() {
        let answer = read(BODY.as_bytes()).expect("an answer");
        assert_eq!(
            (&*answer.version, &*answer.role, answer.generation),
            ("s1", "stable", 4)
        );
        assert_eq!(answer.predictions.label, "Ankle \"boot\"");
        // Read in place: nothing is allocated for what has no escapes.
        assert!(matches!(answer.version, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let check = |wrong: &str, says: &str| {
            let error = read(wrong.as_bytes()).expect_err(wrong);
            assert!(error.contains(says), "{error}");
        };
        check(&BODY.replace("0.99", "1.5"), "no probability");
        check(&BODY.replace("0.99", "null"), "null");
        check(&BODY.replace("generation", "revision"), "generation");
        check(&BODY[..BODY.len() - 1], "EOF");
        let begin = BODY.find('[').expect("a list");
        let end = BODY.find(']').expect("a list");
        check(
            &format!("{}{}", &BODY[..=begin], &BODY[end..]),
            "at least one",
        );
    }

    #[test]
    fn a_problem_names_its_reason() {
        assert_eq!(
            code(br#"{"status":503,"code":"queue_full","detail":"full"}"#),
            "queue_full"
        );
        assert_eq!(code(br#"{"detail":"no code"}"#), "");
        assert_eq!(code(b"<html>"), "");
    }
}
