//! Space that is kept for the day on which the disk is full: a rollback must be written down even then.
//!
//! A file beside the log, of bytes that no file system can store in less. It is shortened piece by piece, and only for what
//! takes a version out of service; it is filled up again as soon as there is room.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::files;

pub(super) const RESERVE: &str = "reserve";

/// Enough for four lines with their states.
const RESERVE_BYTES: u64 = 256 << 10;

/// What one line and the state after it need at most, in practice.
const PIECE_BYTES: u64 = 64 << 10;

/// Where the reserve lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(RESERVE)
}

/// How much is kept now.
pub(super) fn kept_bytes(folder: &Path) -> u64 {
    let found = fs::symlink_metadata(path(folder));
    found.map_or(0, |file| file.size())
}

/// Fills the reserve up, where there is ample room for it.
pub(super) fn fill(folder: &Path) -> io::Result<()> {
    if kept_bytes(folder) >= RESERVE_BYTES {
        return Ok(());
    }
    let room = rustix::fs::statvfs(folder)?;
    // It must not be what fills a small disk.
    if room.f_bavail.saturating_mul(room.f_frsize) < 2 * RESERVE_BYTES {
        return Ok(());
    }
    let path = path(folder);
    let mut options = OpenOptions::new();
    let mut file = files::open(&path, options.write(true).create(true).truncate(true))?;
    let filled = file.write_all(&incompressible(RESERVE_BYTES as usize));
    filled.inspect_err(|_| _ = fs::remove_file(&path))
}

/// Gives a piece back to the file system; false where nothing is left.
pub(super) fn release(folder: &Path) -> io::Result<bool> {
    let kept = kept_bytes(folder);
    if kept == 0 {
        return Ok(false);
    }
    let file = files::open(&path(folder), OpenOptions::new().write(true))?;
    file.set_len(kept.saturating_sub(PIECE_BYTES))?;
    // Some file systems give blocks back only once this is on disk.
    file.sync_all()?;
    Ok(true)
}

/// Bytes without a pattern (xorshift), so that a file system that compresses keeps as many blocks as they have bytes.
fn incompressible(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
