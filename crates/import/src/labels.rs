//! Label files, which may have duplicates: ImageNet's list has two classes `crane` and two `maillot`.

use std::collections::HashMap;

use super::{Choice, Origin};
use stillhouse_store::Labels;

/// Reads one label per line. Duplicate labels get their class number appended, which is reported as a decision.
///
/// # Errors
/// A line that is empty, or too few lines.
pub fn read_labels(text: &str) -> Result<(Labels, Vec<Choice>), String> {
    let lines: Vec<&str> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    lines
        .iter()
        .for_each(|line| *count.entry(line).or_default() += 1);
    let mut choices = Vec::new();
    let distinct = lines.iter().enumerate().map(|(class, line)| {
        if count[line] == 1 || line.is_empty() {
            return (*line).to_owned();
        }
        let label = format!("{line} ({class})");
        choices.push(Choice::new(
            "labels",
            format!("`{line}`, given to several classes, is `{label}`"),
            Origin::Default,
        ));
        label
    });
    let labels = Labels::new(distinct.collect())?;
    Ok((labels, choices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_labels_get_their_class_number() {
        let (labels, choices) = read_labels("cat\ncrane\ndog\ncrane\n").unwrap();
        assert_eq!(*labels, ["cat", "crane (1)", "dog", "crane (3)"]);
        assert_eq!(choices.len(), 2);
        assert_eq!(
            choices[1].to_string(),
            "labels = `crane`, given to several classes, is `crane (3)` (default)"
        );
        assert!(
            read_labels("cat\n\n\ndog")
                .unwrap_err()
                .starts_with("line 2 is empty")
        );
        // What the new names collide with is still found.
        assert!(
            read_labels("a (1)\na\na")
                .unwrap_err()
                .contains("stands in lines 1 and 2")
        );
    }
}
