//! Request bodies: pictures from files and folders, with their true labels if known.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;

/// The file extensions that are read from a folder. A file given by itself may have any extension.
const ENDINGS: [(&str, &str); 5] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("json", "application/json"),
];

/// Where a picture's true label is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Labels {
    /// In the file's name (`ankle-boot-1.png`) or its folder's, if the model has such a label.
    Auto,
    /// In the file's name.
    File,
    /// In the folder's name.
    Folder,
    /// Nowhere.
    None,
}

/// One request body.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// The path as given on the command line or found in a folder.
    pub path: PathBuf,
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// The true label as [`slug`] writes it.
    pub label: Option<String>,
}

impl Picture {
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Reads files, and all pictures in and below folders, in the order of their names.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Picture>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            ensure!(
                found.len() > before,
                "{} holds no png, jpg, jpeg, webp or json",
                path.display()
            );
        } else {
            found.push(path.clone());
        }
    }
    found.into_iter().map(open).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, found)?;
        } else if content_type(&path).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

fn open(path: PathBuf) -> anyhow::Result<Picture> {
    let bytes = match fs::read(&path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => bail!("can't read {}: {error}", path.display()),
    };
    ensure!(!bytes.is_empty(), "{} is empty", path.display());
    Ok(Picture {
        content_type: content_type(&path).unwrap_or("application/octet-stream"),
        bytes,
        label: None,
        path,
    })
}

fn content_type(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let known = ENDINGS.iter().find(|(known, _)| *known == ending);
    known.map(|(_, content_type)| *content_type)
}

/// Sets the pictures' labels; `known` are the model's labels, if its description has them. Returns how many are labelled.
pub(crate) fn label(pictures: &mut [Picture], labels: Labels, known: Option<&[String]>) -> usize {
    let known: Vec<String> = known
        .unwrap_or_default()
        .iter()
        .map(|label| slug(label))
        .collect();
    for picture in pictures.iter_mut() {
        let (file, folder) = (from_file(&picture.path), from_folder(&picture.path));
        picture.label = match labels {
            Labels::None => None,
            Labels::File => file,
            Labels::Folder => folder,
            Labels::Auto => [file, folder]
                .into_iter()
                .flatten()
                .find(|label| known.contains(label)),
        };
    }
    pictures
        .iter()
        .filter(|picture| picture.label.is_some())
        .count()
}

fn from_file(path: &Path) -> Option<String> {
    let stem = slug(path.file_stem()?.to_str()?);
    let label = stem
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

fn from_folder(path: &Path) -> Option<String> {
    Some(slug(path.parent()?.file_name()?.to_str()?))
}

/// A label as it is written in a file's name: `T-shirt/top` becomes `t-shirt-top`.
pub(crate) fn slug(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    for c in label.chars() {
        if c.is_alphanumeric() {
            text.extend(c.to_lowercase());
        } else if !text.ends_with('-') && !text.is_empty() {
            text.push('-');
        }
    }
    text.truncate(text.trim_end_matches('-').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(path: &str) -> Picture {
        Picture {
            path: path.into(),
            bytes: Bytes::from_static(b"x"),
            content_type: "image/png",
            label: None,
        }
    }

    #[test]
    fn labels_are_taken_from_names() {
        let known = [
            "T-shirt/top".to_owned(),
            "Ankle boot".to_owned(),
            "7".to_owned(),
        ];
        let check = |path: &str, labels, expected: Option<&str>| {
            let mut pictures = [picture(path)];
            let count = label(&mut pictures, labels, Some(&known));
            assert_eq!(pictures[0].label.as_deref(), expected, "{path} {labels:?}");
            assert_eq!(count, expected.iter().len());
        };
        check("a/ankle-boot-1.png", Labels::Auto, Some("ankle-boot"));
        check("a/t-shirt-top-12.png", Labels::Auto, Some("t-shirt-top"));
        check("a/T-Shirt Top.png", Labels::Auto, Some("t-shirt-top"));
        check("Ankle_boot/0001.png", Labels::Auto, Some("ankle-boot"));
        check("7/0001.png", Labels::Auto, Some("7"));
        // A name that isn't one of the model's labels says nothing about the picture.
        check("photos/IMG_1234.jpg", Labels::Auto, None);
        check("golden/19.png", Labels::Auto, None);
        check("photos/IMG_1234.jpg", Labels::File, Some("img"));
        check("cats/IMG_1234.jpg", Labels::Folder, Some("cats"));
        check("a/ankle-boot-1.png", Labels::None, None);
        assert_eq!(
            label(&mut [picture("a/ankle-boot-1.png")], Labels::Auto, None),
            0
        );
    }

    #[test]
    fn folders_are_read_in_order_and_only_pictures_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        };
        put("b.png", b"2");
        put("a/z.JPG", b"1");
        put("LICENSE", b"no picture");
        let read_names = |path: &Path| -> Vec<String> {
            let pictures = read(&[path.to_owned()]).expect("pictures");
            pictures.iter().map(Picture::name).collect()
        };
        assert_eq!(read_names(folder.path()), ["z.JPG", "b.png"]);
        assert_eq!(read_names(&folder.path().join("LICENSE")), ["LICENSE"]);
        put("empty/x", b"");
        assert!(read(&[folder.path().join("empty")]).is_err());
        assert!(read(&[folder.path().join("empty/x")]).is_err());
    }
}
