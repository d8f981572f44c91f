//! Which kind of archive it is, by its first bytes.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use flate2::bufread::MultiGzDecoder;
use stillhouse_engine::foreign::{Foreign, HEAD_BYTES, may_be_onnx, recognise};

use super::{
    refusal::{damaged, refused},
    tarball,
    unpacking::Unpacking,
    zipped,
};
use crate::StoreError;

/// Offset of the magic bytes in a tar header.
const USTAR: std::ops::Range<usize> = 257..262;

/// A file of another kind, given in place of a packed version.
fn not_a_version(foreign: Foreign) -> StoreError {
    refused(format!(
        "{}; then `stillhouse import` makes a version of it, and a packed version is uploaded",
        foreign.explained()
    ))
}

/// Unpacks what was written to `archive`.
pub(super) fn unpack(archive: &mut File, unpacking: &mut Unpacking) -> Result<(), StoreError> {
    let mut head = Vec::new();
    archive.rewind().map_err(damaged)?;
    archive
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(damaged)?;
    archive.rewind().map_err(damaged)?;
    let archive = BufReader::new(archive);
    match &head[..] {
        [0x1f, 0x8b, ..] => tarball::unpack(MultiGzDecoder::new(archive), unpacking),
        [b'P', b'K', 3, 4, ..] => match recognise(&head) {
            Some(foreign) if !foreign.is_archive() => Err(not_a_version(foreign)),
            _ => zipped::unpack(archive, unpacking),
        },
        head if head.get(USTAR) == Some(b"ustar") => tarball::unpack(archive, unpacking),
        head if may_be_onnx(head) => Err(refused(
            "it is an ONNX network and not a packed version: `stillhouse import` makes a version of it, which \
             `stillhouse upload` packs and sends",
        )),
        head => Err(match recognise(head) {
            Some(foreign) => not_a_version(foreign),
            None => refused(
                "it is neither tar, tar.gz nor zip: pack the version's folder as one of these",
            ),
        }),
    }
}
