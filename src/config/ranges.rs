//! What every key may hold: the one table against which values are checked where they are read, for every verb alike.
//!
//! The test `d10_every_key_has_a_range` walks all keys and names the one that has no row yet, and the row without a key.

mod table;
mod text;

use serde_json::Value;

use super::Config;
use table::TABLE;

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// `true` or `false`.
    Switch,
    /// A table that may be missing; its keys have rows of their own.
    Table,
    /// Whole numbers, both ends included.
    Whole(u64, u64),
    /// Finite numbers, both ends included.
    Real(f64, f64),
    /// Finite numbers between both ends.
    Between(f64, f64),
    /// Text that this function accepts; in a list, each text.
    Text(fn(&str) -> Result<(), String>),
}

/// A value that its key doesn't take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfRange {
    /// `batch.queue`.
    pub(super) key: String,
    /// What it is, and what belongs there.
    pub(super) message: String,
}

/// Every value of a configuration that its key doesn't take.
pub(super) fn check(config: &Config) -> Vec<OutOfRange> {
    let mut found = Vec::new();
    let all = serde_json::to_value(config).expect("numbers, text and tables");
    walk("", &all, &mut |key, value| {
        if let Err(message) = fits(key, value) {
            let key = key.to_owned();
            found.push(OutOfRange { key, message });
        }
    });
    for name in config.models.keys() {
        if let Err(message) = text::name(name) {
            let key = format!("models.{name}");
            found.push(OutOfRange { key, message });
        }
    }
    found
}

/// Every dotted key of the configuration but those of single models.
pub(super) fn keys() -> Vec<String> {
    let general = TABLE.iter().filter(|row| row.0.contains('.'));
    general.map(|row| row.0.to_owned()).collect()
}

/// Calls `leaf` for every value that isn't a table, with its dotted key; for each item of a list.
fn walk(key: &str, value: &Value, leaf: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                let key = match key {
                    "" => name.clone(),
                    _ => format!("{key}.{name}"),
                };
                walk(&key, value, leaf);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(key, item, leaf)),
        _ => leaf(key, value),
    }
}

/// A model's own tables have the ranges of the general ones.
fn row(key: &str) -> Option<Range> {
    let of_model = key.strip_prefix("models.");
    let known = |row: &&(&str, Range)| match of_model {
        // What is left is the model's name, which may contain dots itself.
        Some(rest) => {
            let name = rest.strip_suffix(row.0);
            name.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        }
        None => row.0 == key,
    };
    TABLE.iter().find(known).map(|row| row.1)
}

fn fits(key: &str, value: &Value) -> Result<(), String> {
    // The test that walks all keys lets none without a row pass.
    let Some(range) = row(key) else {
        return Ok(());
    };
    let outside =
        |expected: String| Err(format!("{value} is out of range: {expected} belongs here"));
    match (range, value) {
        (Range::Real(..) | Range::Between(..), Value::Null) => {
            Err("is no finite number".to_owned())
        }
        // An optional key that isn't set.
        (_, Value::Null) => Ok(()),
        (Range::Switch, Value::Bool(_)) => Ok(()),
        (Range::Whole(from, to), Value::Number(number)) => match number.as_u64() {
            Some(number) if (from..=to).contains(&number) => Ok(()),
            _ => outside(format!(
                "a whole number from {} to {}",
                Grouped(from),
                Grouped(to)
            )),
        },
        (Range::Real(from, to), Value::Number(number)) => match number.as_f64() {
            Some(number) if (from..=to).contains(&number) => Ok(()),
            _ => outside(format!("a number from {from} to {to}")),
        },
        (Range::Between(from, to), Value::Number(number)) => match number.as_f64() {
            Some(number) if from < number && number < to => Ok(()),
            _ => outside(format!("a number between {from} and {to}")),
        },
        (Range::Text(check), Value::String(text)) => check(text),
        (range, _) => Err(format!("{value} is no value for it: {range:?}")),
    }
}

/// `1_000_000`, as TOML has it.
struct Grouped(u64);

impl std::fmt::Display for Grouped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
                f.write_str("_")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
