//! Zip archives. Their directory is walked entry by entry, as it may name millions.

use std::io::{Read, Seek};

use zip::{ZipReadOptions, read::Config, result::ZipError, unstable::read::ZipIterable};

use super::{
    refusal::refused,
    unpacking::{MAX_ENTRIES, Unpacking, too_many},
};
use crate::StoreError;

/// The file-type bits of a Unix mode; 0 where the packing program stored none.
const KIND: u32 = 0o170_000;
const ORDINARY: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

pub(super) fn unpack(from: impl Read + Seek, unpacking: &mut Unpacking) -> Result<(), StoreError> {
    let archive = ZipIterable::try_new(from, Config::default()).map_err(damaged)?;
    // An entry under two names, one in the directory and one at its bytes, is a trick.
    let mut archive = archive.enforce_header_consistency(true);
    if archive.len() > MAX_ENTRIES {
        return Err(too_many());
    }
    let entries = archive.files().map_err(damaged)?;
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(damaged)?;
        unpacking.count()?;
        let name = entry.name_raw().to_vec();
        let kind = entry.unix_mode().unwrap_or_default() & KIND;
        if name.ends_with(b"/") && [0, FOLDER].contains(&kind) {
            unpacking.folder(&name)?;
        } else if [0, ORDINARY].contains(&kind) {
            let size_bytes = entry.size();
            let mut file = entry
                .with_reader(entries.reader_mut(), ZipReadOptions::new())
                .map_err(damaged)?;
            unpacking.file(&name, size_bytes, &mut file)?;
        } else {
            return Err(refused(format!(
                "`{}` has the Unix mode {kind:o}: a version is made of ordinary files only",
                name.escape_ascii()
            )));
        }
    }
    Ok(())
}

fn damaged(error: ZipError) -> StoreError {
    refused(format!("it can't be read: {error}"))
}
