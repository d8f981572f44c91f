//! Files that are there whole or not at all.

use anyhow::{Context, Result};
use std::{fs::Permissions, io::Write, os::unix::fs::PermissionsExt, path::Path};

/// Writes a file beside `path`, then puts it in its place: what was there before stays until then.
///
/// # Errors
/// Whatever the disk says; the file is as it was then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut fresh = tempfile::Builder::new()
            .prefix(".writing-")
            .permissions(Permissions::from_mode(0o666)) // less the umask, as for any file
            .tempfile_in(folder)?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
