//! Atomic writes of files.

use anyhow::{Context, Result};
use std::{fs::Permissions, io::Write, os::unix::fs::PermissionsExt, path::Path};

/// Writes a file beside `path`, then renames it into place, so that the old file stays until then.
///
/// # Errors
/// I/O errors; the old file is unchanged then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut fresh = tempfile::Builder::new()
            .prefix(".writing-")
            .permissions(Permissions::from_mode(0o666)) // minus the umask, as for any file
            .tempfile_in(folder)?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
