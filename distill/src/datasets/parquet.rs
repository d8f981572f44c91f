//! Parquet with encoded pictures in a column `image` (bytes, or a group with a field `bytes`) and classes in `label`.

use anyhow::{Context, Result, bail};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};
use std::{fs::File, path::Path};
use stillhouse_image::Transform;

use super::{
    Dataset,
    pictures::{Encoded, class, decode_all},
};

/// Reads all rows.
pub(super) fn read(path: &Path, transform: &Transform, labels: &[String]) -> Result<Dataset> {
    let rows = || -> Result<(Vec<Encoded>, Vec<Vec<u8>>)> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let (mut all, mut pictures) = (Vec::new(), Vec::new());
        for (number, row) in reader.get_row_iter(None)?.enumerate() {
            let row = row?;
            let name = format!("row {}", number + 1);
            let label = label(&row, labels).with_context(|| name.clone())?;
            pictures.push(picture(&row).with_context(|| name.clone())?);
            all.push(Encoded { name, label });
        }
        Ok((all, pictures))
    };
    let (all, pictures) = rows().with_context(|| format!("reading {}", path.display()))?;
    decode_all(&all, |i| Ok(pictures[i].clone()), transform)
}

fn column<'a>(row: &'a Row, name: &str) -> Option<&'a Field> {
    row.get_column_iter()
        .find(|(column, _)| *column == name)
        .map(|(_, field)| field)
}

/// A missing picture counts as a damaged one.
fn picture(row: &Row) -> Result<Vec<u8>> {
    match column(row, "image") {
        Some(Field::Bytes(bytes)) => Ok(bytes.data().to_vec()),
        Some(Field::Group(group)) => match column(group, "bytes") {
            Some(Field::Bytes(bytes)) => Ok(bytes.data().to_vec()),
            Some(Field::Null) => Ok(Vec::new()),
            _ => bail!("the group `image` has no field `bytes` with bytes"),
        },
        Some(Field::Null) => Ok(Vec::new()),
        Some(other) => bail!("the column `image` holds {other}, not bytes"),
        None => bail!("there is no column `image`"),
    }
}

fn label(row: &Row, labels: &[String]) -> Result<Option<u8>> {
    let name = match column(row, "label") {
        None | Some(Field::Null) => return Ok(None),
        Some(Field::Str(name)) => name.clone(),
        Some(number) => number.to_string(),
    };
    class(&name, labels).map(Some)
}
