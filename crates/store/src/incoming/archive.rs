//! Which kind of archive it is, by its first bytes.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use flate2::bufread::MultiGzDecoder;

use super::{
    refusal::{damaged, refused},
    tarball,
    unpacking::Unpacking,
    zipped,
};
use crate::StoreError;

/// Offset of the magic bytes in a tar header.
const USTAR: std::ops::Range<usize> = 257..262;

/// Unpacks what was written to `archive`.
pub(super) fn unpack(archive: &mut File, unpacking: &mut Unpacking) -> Result<(), StoreError> {
    let mut head = Vec::new();
    archive.rewind().map_err(damaged)?;
    archive
        .take(USTAR.end as u64)
        .read_to_end(&mut head)
        .map_err(damaged)?;
    archive.rewind().map_err(damaged)?;
    let archive = BufReader::new(archive);
    match &head[..] {
        [0x1f, 0x8b, ..] => tarball::unpack(MultiGzDecoder::new(archive), unpacking),
        [b'P', b'K', 3, 4, ..] => zipped::unpack(archive, unpacking),
        head if head.get(USTAR) == Some(b"ustar") => tarball::unpack(archive, unpacking),
        _ => Err(refused(
            "it is neither tar, tar.gz nor zip: pack the version's folder as one of these",
        )),
    }
}
