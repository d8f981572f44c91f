//! A file system of its own that can really be full.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// A small file system in memory, mounted on a folder until this is dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it on an existing folder. None, with a line that says so, where this process may not mount.
    pub fn mount(path: &Path, size_bytes: u64) -> Option<Self> {
        let size = format!("size={size_bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { path: path.into() }),
            _ => {
                eprintln!("skipped: a full disk needs the right to mount a file system");
                None
            }
        }
    }

    /// Leaves room for nothing more.
    ///
    /// # Panics
    /// The file system fails otherwise than by being full.
    pub fn fill(&self) {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(self.path.join("ballast"));
        let mut file = file.expect("a file");
        // The last page byte by byte.
        for piece in [4096, 1] {
            let full = loop {
                if let Err(error) = file.write_all(&vec![b'x'; piece]) {
                    break error.kind();
                }
            };
            assert_eq!(full, ErrorKind::StorageFull);
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        let _ = fs::remove_file(self.path.join("ballast"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: something below may still be open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
