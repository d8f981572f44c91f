//! Tar archives. Headers are read one by one, as they are: what long names and extended headers may do is decided here.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{
    refusal::{damaged, refused},
    unpacking::{MAX_ENTRIES, Unpacking},
};
use crate::StoreError;

/// A header that describes the next one: names and times, no more.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;

/// What headers and padding may add to the files.
const OVERHEAD_BYTES: u64 = MAX_ENTRIES as u64 * 1024 + (1 << 20);

pub(super) fn unpack(from: impl Read, unpacking: &mut Unpacking) -> Result<(), StoreError> {
    // Bounds what is skipped, too: a gzip of 10 MB may hold 10 GB in what tar only steps over.
    let limit_bytes = unpacking.limit_bytes();
    let limited = from.take(limit_bytes.saturating_add(OVERHEAD_BYTES));
    let mut archive = Archive::new(limited);
    let read = entries(&mut archive, unpacking);
    let mut rest = archive.into_inner();
    let read = read.and_then(|()| {
        // To the end, where gzip keeps its checksum.
        io::copy(&mut rest, &mut io::sink())
            .map(drop)
            .map_err(damaged)
    });
    match rest.limit() {
        0 => Err(StoreError::ArchiveTooLarge { limit_bytes }),
        _ => read,
    }
}

fn entries(archive: &mut Archive<impl Read>, unpacking: &mut Unpacking) -> Result<(), StoreError> {
    let mut next_name = None;
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        unpacking.count()?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => {}
            EntryType::XHeader => next_name = extended_name(&mut entry)?.or(next_name),
            EntryType::GNULongName => {
                let name = extension(&mut entry)?;
                next_name = Some(name.strip_suffix(b"\0").unwrap_or(&name).to_vec());
            }
            EntryType::Regular | EntryType::Directory => {
                let name = next_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                // Before there was a type for them, folders were files whose names end so.
                if kind == EntryType::Directory || name.ends_with(b"/") {
                    unpacking.folder(&name)?;
                } else {
                    let size_bytes = entry.header().entry_size().map_err(damaged)?;
                    unpacking.file(&name, size_bytes, &mut entry)?;
                }
            }
            other => {
                let name = next_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                return Err(refused(format!(
                    "`{}` is a {}: a version is made of ordinary files only",
                    name.escape_ascii(),
                    word(other)
                )));
            }
        }
    }
    Ok(())
}

/// The name in an extended header, if it holds one. A size in there would be another one than every header's own, and a
/// sparse file something else than its bytes.
fn extended_name(entry: &mut Entry<'_, impl Read>) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = extension(entry)?;
    let mut name = None;
    for record in PaxExtensions::new(&bytes) {
        let record = record.map_err(damaged)?;
        match record.key_bytes() {
            b"path" => name = Some(record.value_bytes().to_vec()),
            key if key == b"size" || key == b"linkpath" || key.starts_with(b"GNU.sparse") => {
                return Err(refused(format!(
                    "an extended header sets `{}`: pack the files as they are",
                    key.escape_ascii()
                )));
            }
            _ => {}
        }
    }
    Ok(name)
}

fn extension(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    entry
        .take(MAX_EXTENSION_BYTES)
        .read_to_end(&mut bytes)
        .map_err(damaged)?;
    match bytes.len() as u64 {
        MAX_EXTENSION_BYTES => Err(refused("an extended header is larger than 64 KiB")),
        _ => Ok(bytes),
    }
}

fn word(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink | EntryType::GNULongLink => "symbolic link",
        EntryType::Link => "hard link",
        EntryType::Char | EntryType::Block => "device",
        EntryType::Fifo => "FIFO",
        EntryType::GNUSparse => "sparse file",
        _ => "thing of another kind",
    }
}
