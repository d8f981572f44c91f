//! Where validation pictures lie: in an idx file, or in a folder of picture files, sorted by name, subfolders last.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::{ImportError, idx::Idx};
use stillhouse_image::{self as image, Limits, Picture, Transform};

/// Validation pictures in their order.
pub(crate) enum Pictures {
    /// Gray pictures, all of one size.
    Luma {
        columns: u32,
        rows: u32,
        bytes: Vec<u8>,
    },
    /// PNG, JPEG and WebP files; at least one.
    Files(Vec<PathBuf>),
}

impl Pictures {
    /// Finds the pictures at `path`.
    pub(crate) fn at(path: &Path) -> Result<Self, ImportError> {
        if path.is_dir() {
            let files = files(path, true)?;
            return match files.is_empty() {
                true => Err(content(path, "no PNG, JPEG or WebP files in it".into())),
                false => Ok(Self::Files(files)),
            };
        }
        let Idx { dims, bytes } = Idx::read(path)?;
        let side = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0);
        let sides = match dims[..] {
            [_, rows, columns] if !bytes.is_empty() => side(columns).zip(side(rows)),
            _ => None,
        };
        let (columns, rows) = sides.ok_or_else(|| {
            content(
                path,
                format!("its sides are {dims:?}; pictures, rows, columns belong there"),
            )
        })?;
        Ok(Self::Luma {
            columns,
            rows,
            bytes,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Luma {
                columns,
                rows,
                bytes,
            } => bytes.len() / (*columns as usize * *rows as usize),
            Self::Files(files) => files.len(),
        }
    }

    /// One of them, decoded for a network that reads pictures by `transform`.
    pub(crate) fn picture(
        &self,
        index: usize,
        transform: &Transform,
    ) -> Result<Picture, ImportError> {
        match self {
            Self::Luma {
                columns,
                rows,
                bytes,
            } => {
                let size = *columns as usize * *rows as usize;
                let luma = bytes[index * size..][..size].to_vec();
                Ok(Picture::from_luma(*columns, *rows, luma).expect("as many bytes as pixels"))
            }
            Self::Files(files) => {
                let file = &files[index];
                let bytes = fs::read(file).map_err(|error| content(file, error.to_string()))?;
                let picture = image::decode(&bytes, &Limits::default(), transform);
                picture.map_err(|error| content(file, error.to_string()))
            }
        }
    }
}

/// Picture files of a folder and its subfolders, which often are one per class.
fn files(folder: &Path, deeper: bool) -> Result<Vec<PathBuf>, ImportError> {
    let wrong = |error: std::io::Error| content(folder, error.to_string());
    let entries = fs::read_dir(folder).map_err(wrong)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(wrong)?;
    paths.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.into_iter().partition(|path| path.is_dir());
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["png", "jpg", "jpeg", "webp"]
            .iter()
            .any(|known| extension == *known)
    };
    let mut found: Vec<PathBuf> = files.into_iter().filter(is_picture).collect();
    for folder in folders.iter().filter(|_| deeper) {
        found.extend(self::files(folder, false)?);
    }
    Ok(found)
}

pub(super) fn content(path: &Path, detail: String) -> ImportError {
    ImportError::Content {
        path: path.display().to_string(),
        detail,
    }
}
