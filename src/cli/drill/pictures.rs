//! Sample pictures whose file names contain their labels: `ankle-boot-1.png`.

use std::{fs, path::Path};

use anyhow::{Context, bail};

/// A picture with its true label.
pub(super) struct Picture {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads a folder of pictures, by name.
pub(super) fn read(folder: &Path, labels: &[String]) -> anyhow::Result<Vec<Picture>> {
    let place = || format!("the sample pictures: {}", folder.display());
    let mut pictures = Vec::new();
    for entry in fs::read_dir(folder).with_context(place)? {
        let path = entry.with_context(place)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|extension| extension == "png")
            && let Some(label) = labels.iter().find(|label| shows(&name, label))
        {
            pictures.push(Picture {
                name: name.clone().into_owned(),
                label: label.clone(),
                bytes: fs::read(&path).with_context(place)?,
            });
        }
    }
    if pictures.is_empty() {
        bail!(
            "{} holds no picture named after a label, such as ankle-boot-1.png; the repository has them in samples/fashion",
            folder.display()
        );
    }
    pictures.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pictures)
}

/// `t-shirt-top-2` shows a `T-shirt/top`.
fn shows(name: &str, label: &str) -> bool {
    let slug = label.to_lowercase().replace(['/', ' '], "-");
    let number = name
        .strip_prefix(&slug)
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_labels() {
        for (name, label, expected) in [
            ("t-shirt-top-2", "T-shirt/top", true),
            ("ankle-boot-1", "Ankle boot", true),
            ("shirt-1", "T-shirt/top", false),
            ("t-shirt-top-2", "Shirt", false),
            ("shirt", "Shirt", false),
            ("shirt-x", "Shirt", false),
        ] {
            assert_eq!(shows(name, label), expected, "{name} {label}");
        }
    }
}
