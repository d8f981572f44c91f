//! `labels.txt`: what the classes are called.

use std::{collections::HashMap, ops::Deref, sync::Arc};

/// One label a class, class 0 first; at least two, none empty, no two alike. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Arc<[String]>);

impl Labels {
    /// Reads one label a line; the last line may end or not, white space around a label is dropped.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::new(text.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// Checks labels from elsewhere.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn new(labels: Vec<String>) -> Result<Self, String> {
        if labels.len() < 2 {
            return Err(format!(
                "{} labels: a classifier has at least two, one a line",
                labels.len()
            ));
        }
        let mut seen = HashMap::with_capacity(labels.len());
        for (index, label) in labels.iter().enumerate() {
            let line = index + 1;
            if label.trim().is_empty() {
                return Err(format!("line {line} is empty: every class needs a label"));
            }
            if label.trim() != label || label.chars().any(char::is_control) {
                return Err(format!(
                    "line {line} has control characters, or white space around its label: {label:?}"
                ));
            }
            if let Some(first) = seen.insert(label.as_str(), line) {
                return Err(format!(
                    "`{label}` stands in lines {first} and {line}: labels must be distinct"
                ));
            }
        }
        Ok(Self(labels.into()))
    }

    /// The text of a `labels.txt`.
    pub fn to_text(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |text, label| text + label + "\n")
    }
}

impl Deref for Labels {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_one_a_line_and_told_apart() {
        assert_eq!(
            *Labels::parse("\u{feff}cat\r\n  dog \nT-shirt/top").unwrap(),
            ["cat", "dog", "T-shirt/top"]
        );
        for (text, expected) in [
            ("", "0 labels: a classifier has at least two, one a line"),
            (
                "cat\n",
                "1 labels: a classifier has at least two, one a line",
            ),
            ("cat\n\ndog\n", "line 2 is empty: every class needs a label"),
            ("cat\ndog\n\n", "line 3 is empty: every class needs a label"),
            (
                "cat\ndog\ncat",
                "`cat` stands in lines 1 and 3: labels must be distinct",
            ),
            (
                "cat\nd\u{1b}[1mog",
                "line 2 has control characters, or white space around its label: \"d\\u{1b}[1mog\"",
            ),
        ] {
            assert_eq!(Labels::parse(text).unwrap_err(), expected);
        }
        let labels = Labels::parse("cat\ndog").unwrap();
        assert_eq!(Labels::parse(&labels.to_text()).unwrap(), labels);
    }
}
