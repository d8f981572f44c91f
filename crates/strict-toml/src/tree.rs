//! Settings from a file, the environment and flags, laid over each other before they are typed.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::{
    Finding, StrictError,
    node::{Entry, Node},
    reader::Reader,
};

/// Settings from one file, over which environment and flags may be laid before they are typed.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Entry,
}

impl Tree {
    /// Nothing yet; `origin` is the place that errors about missing keys give.
    pub fn empty(origin: &str) -> Self {
        Self {
            root: Entry {
                place: origin.into(),
                node: Node::Table(BTreeMap::new()),
            },
        }
    }

    /// Reads TOML; `origin` is the file name that errors give.
    ///
    /// # Errors
    /// Text that is no TOML, with its line.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, StrictError> {
        let lines = Lines {
            origin: origin.display().to_string(),
            text,
        };
        let table = DeTable::parse(text).map_err(|error| Finding {
            place: error
                .span()
                .map_or(lines.origin.clone(), |span| lines.place(span.start)),
            message: format!("not TOML: {}", error.message()),
        })?;
        Ok(Self {
            root: Entry {
                place: lines.origin.clone(),
                node: lines.table(table.get_ref())?,
            },
        })
    }

    /// Lays a value over whatever stands at the dotted `key`; `place` is the variable's or flag's name. The text is
    /// read as what the typed setting needs: a number, a bool, a string, or a list separated by commas.
    ///
    /// # Errors
    /// A part of `key` before the last that holds something else than a table.
    pub fn set(&mut self, key: &str, text: &str, place: &str) -> Result<(), StrictError> {
        let mut at = &mut self.root;
        for part in key.split('.') {
            let Node::Table(table) = &mut at.node else {
                return Err(Finding {
                    place: place.into(),
                    message: format!(
                        "`{key}` can't be set: {} holds a value there, not a table",
                        at.place
                    ),
                }
                .into());
            };
            at = table.entry(part.to_owned()).or_insert_with(|| Entry {
                place: place.into(),
                node: Node::Table(BTreeMap::new()),
            });
        }
        let text_at = |text: &str, parts| Entry {
            place: place.into(),
            node: Node::Text(text.into(), parts),
        };
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        *at = text_at(text, parts.map(|part| text_at(part, Vec::new())).collect());
        Ok(())
    }

    /// Where the value of a dotted key was written; of the nearest table around it, if it was written nowhere. Keys may
    /// contain dots themselves.
    pub fn place(&self, key: &str) -> &str {
        let (mut at, mut rest) = (&self.root, key);
        while let Node::Table(table) = &at.node {
            let longest = table
                .iter()
                .filter(|(name, _)| {
                    let tail = rest.strip_prefix(name.as_str());
                    tail.is_some_and(|tail| tail.is_empty() || tail.starts_with('.'))
                })
                .max_by_key(|(name, _)| name.len());
            let Some((name, entry)) = longest else { break };
            at = entry;
            rest = rest[name.len()..].trim_start_matches('.');
        }
        &at.place
    }

    /// Reads the tree into `T`.
    ///
    /// # Errors
    /// Unknown keys (all of them), a missing key, a value of the wrong type.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, StrictError> {
        let unknown = RefCell::default();
        let value = T::deserialize(Reader {
            entry: &self.root,
            path: String::new(),
            unknown: &unknown,
        });
        let mut findings = unknown.into_inner();
        match value {
            Ok(value) if findings.is_empty() => return Ok(value),
            Ok(_) => {}
            Err(fault) => findings.push(fault.finding("", &self.root.place)),
        }
        Err(StrictError { findings })
    }
}

struct Lines<'a> {
    origin: String,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, offset: usize) -> String {
        let line = 1 + self
            .text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count();
        format!("{}:{line}", self.origin)
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Node, Finding> {
        let entries = table.iter().map(|(key, value)| {
            let place = self.place(key.span().start);
            let node = self.node(value.get_ref(), &place)?;
            Ok((key.get_ref().to_string(), Entry { place, node }))
        });
        Ok(Node::Table(entries.collect::<Result<_, Finding>>()?))
    }

    fn node(&self, value: &DeValue<'_>, place: &str) -> Result<Node, Finding> {
        let wrong = |what: &str| Finding {
            place: place.into(),
            message: format!("{what} is out of range"),
        };
        Ok(match value {
            DeValue::Boolean(value) => Node::Bool(*value),
            DeValue::Integer(value) => Node::Integer(
                i64::from_str_radix(value.as_str(), value.radix())
                    .map_err(|_| wrong(&value.to_string()))?,
            ),
            DeValue::Float(value) => {
                Node::Float(value.as_str().parse().map_err(|_| wrong(value.as_str()))?)
            }
            DeValue::String(value) => Node::String(value.to_string()),
            DeValue::Datetime(value) => Node::String(value.to_string()),
            DeValue::Table(table) => self.table(table)?,
            DeValue::Array(array) => {
                let entries = array.iter().map(|item| {
                    let place = self.place(item.span().start);
                    Ok(Entry {
                        node: self.node(item.get_ref(), &place)?,
                        place,
                    })
                });
                Node::Array(entries.collect::<Result<_, Finding>>()?)
            }
        })
    }
}
