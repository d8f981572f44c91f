//! Placeholders in braces, such as `{model}`, so that a scenario can be used with other models and versions.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

/// The values of the placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The scenario's defaults, replaced by those of the command line (`canary=s3`).
    pub(crate) fn new(
        own: &BTreeMap<String, String>,
        given: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let mut names = own.clone();
        for (name, value) in given {
            let known: Vec<&str> = own.keys().map(String::as_str).collect();
            let place = names.get_mut(name).with_context(|| {
                format!(
                    "this scenario has no name `{name}`; it has: {}",
                    known.join(", ")
                )
            })?;
            place.clone_from(value);
        }
        Ok(Self(names))
    }

    /// The text with every placeholder replaced.
    pub(crate) fn fill(&self, text: &str) -> anyhow::Result<String> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .with_context(|| format!("`{text}`: a brace isn't closed"))?;
            let Some(value) = self.0.get(name) else {
                bail!("`{text}`: [names] has no value for {{{name}}}");
            };
            filled += before;
            filled += value;
            rest = after;
        }
        Ok(filled + rest)
    }

    /// Replaces placeholders in every string of `value`.
    pub(crate) fn fill_json(&self, value: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
        use serde_json::Value;
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.fill_json(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => {
                let filled = |(name, field): (&String, &Value)| {
                    anyhow::Ok((name.clone(), self.fill_json(field)?))
                };
                Value::Object(fields.iter().map(filled).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }
}
