//! Directories that are walked by handle, so that no link on the way is followed, not even one put there meanwhile.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, statat};
use rustix::io::Errno;

use super::{NameError, StoreError};

/// An open directory.
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a directory by its path; links on the way are the operator's own and followed.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let handle = open(path, DIRECTORY, Mode::empty()).map_err(|errno| failure(path, errno))?;
        Ok(Self {
            handle,
            path: path.into(),
        })
    }

    /// Opens the directory `name` in this one.
    pub(super) fn folder(&self, name: &str) -> Result<Self, StoreError> {
        let path = self.path.join(name);
        let stat = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failure(&path, errno))?;
        expect(FileType::Directory, &stat, &path)?;
        let handle = openat(
            &self.handle,
            name,
            DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        )
        .map_err(|errno| failure(&path, errno))?;
        Ok(Self { handle, path })
    }

    /// The same directory, which errors call `path`.
    pub(super) fn called(self, path: &Path) -> Self {
        Self {
            path: path.into(),
            ..self
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the directories in this one that are UTF-8, in no order.
    pub(super) fn folders(&self) -> Result<Vec<String>, StoreError> {
        let failure = |errno| failure(&self.path, errno);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let kind = match entry.file_type() {
                // Some file systems don't report the type.
                FileType::Unknown => match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            if kind == FileType::Directory {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The directories and links in this one that nothing is read from, each with the reason: those whose names `is_name`
    /// refuses, and all links. Names that begin with a dot are somebody else's business.
    pub(super) fn left_out(
        &self,
        is_name: impl Fn(&str) -> Result<(), NameError>,
    ) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let failure = |errno| failure(&self.path, errno);
        let mut left_out = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            let Ok(stat) = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let reason = match (FileType::from_raw_mode(stat.st_mode), name.to_str()) {
                (FileType::Symlink, _) => "it is a symbolic link, and none is followed".to_owned(),
                (FileType::Directory, Ok(text)) => match is_name(text) {
                    Ok(()) => continue,
                    Err(error) => error.to_string(),
                },
                (FileType::Directory, Err(_)) => "its name isn't UTF-8".to_owned(),
                _ => continue,
            };
            let name = name.to_string_lossy().into_owned();
            left_out.push((self.path.join(name), reason));
        }
        left_out.sort();
        Ok(left_out)
    }

    /// The length in bytes of the file at `path` below this directory, which must be one that [`Self::read`] would read.
    pub(super) fn size_bytes(&self, path: &str, limit_bytes: u64) -> Result<u64, StoreError> {
        let (folder, name) = self.parent(path)?;
        let folder = folder.as_ref().unwrap_or(self);
        let path = folder.path.join(name);
        let stat = statat(&folder.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failure(&path, errno))?;
        readable(&stat, &path, limit_bytes)
    }

    /// Identifies the present content of the file at `path` below this directory: inode, length in bytes, and the time of the
    /// last write in seconds and nanoseconds.
    pub(super) fn stamp(&self, path: &str) -> Result<[u64; 4], StoreError> {
        let (folder, name) = self.parent(path)?;
        let folder = folder.as_ref().unwrap_or(self);
        let path = folder.path.join(name);
        let stat = statat(&folder.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failure(&path, errno))?;
        #[allow(clippy::unnecessary_cast)] // other types on some systems
        Ok([
            stat.st_ino as u64,
            stat.st_size as u64,
            stat.st_mtime as u64,
            stat.st_mtime_nsec as u64,
        ])
    }

    /// Reads the file at `path` below this directory, once: an ordinary file with one name and at most `limit_bytes`.
    pub(super) fn read(&self, path: &str, limit_bytes: u64) -> Result<Bytes, StoreError> {
        let (folder, name) = self.parent(path)?;
        let folder = folder.as_ref().unwrap_or(self);
        // Looked at before it is opened, since opening a device can do something; and again after, since it may have
        // been replaced in between. NONBLOCK: opening a FIFO would wait for its writer.
        self.size_bytes(path, limit_bytes)?;
        let path = folder.path.join(name);
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let handle = openat(&folder.handle, name, flags, Mode::empty())
            .map_err(|errno| failure(&path, errno))?;
        let stat = fstat(&handle).map_err(|errno| failure(&path, errno))?;
        let size_bytes = readable(&stat, &path, limit_bytes)?;

        let mut bytes = Vec::with_capacity(size_bytes as usize + 1);
        let mut file = File::from(handle).take(limit_bytes + 1);
        file.read_to_end(&mut bytes)
            .map_err(|source| StoreError::Io {
                path: path.clone(),
                source,
            })?;
        if bytes.len() as u64 > limit_bytes {
            return Err(StoreError::TooLarge {
                path,
                size_bytes: bytes.len() as u64,
                limit_bytes,
            });
        }
        Ok(bytes.into())
    }

    /// Reads a UTF-8 file.
    pub(super) fn read_text(&self, path: &str, limit_bytes: u64) -> Result<String, StoreError> {
        String::from_utf8(self.read(path, limit_bytes)?.into()).map_err(|error| {
            StoreError::Content {
                path: self.path.join(path),
                detail: format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()),
            }
        })
    }

    /// Opens the directories before the last `/` of `path`; none if there is no `/`.
    fn parent<'a>(&self, path: &'a str) -> Result<(Option<Self>, &'a str), StoreError> {
        let Some((folders, name)) = path.rsplit_once('/') else {
            return Ok((None, path));
        };
        let mut names = folders.split('/');
        let first = self.folder(names.next().unwrap_or_default())?;
        let last = names.try_fold(first, |folder, name| folder.folder(name))?;
        Ok((Some(last), name))
    }
}

/// Whether a path in a manifest stays in its directory: parts of `[A-Za-z0-9._-]`, separated by `/`, none beginning
/// with a dot.
pub(super) fn is_safe_path(path: &str) -> bool {
    path.len() <= 200
        && path.split('/').count() <= 4
        && path.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        })
}

fn readable(stat: &Stat, path: &Path, limit_bytes: u64) -> Result<u64, StoreError> {
    expect(FileType::RegularFile, stat, path)?;
    #[allow(clippy::useless_conversion)] // narrower on some systems
    let links = u64::from(stat.st_nlink);
    // None: it was replaced after it was opened, and what was opened is still whole.
    if links > 1 {
        return Err(StoreError::HardLinks {
            path: path.into(),
            links,
        });
    }
    let size_bytes = stat.st_size as u64;
    if size_bytes > limit_bytes {
        return Err(StoreError::TooLarge {
            path: path.into(),
            size_bytes,
            limit_bytes,
        });
    }
    Ok(size_bytes)
}

fn expect(expected: FileType, stat: &Stat, path: &Path) -> Result<(), StoreError> {
    let found = FileType::from_raw_mode(stat.st_mode);
    if found == expected {
        return Ok(());
    }
    Err(StoreError::Kind {
        path: path.into(),
        found: match found {
            FileType::RegularFile => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "symbolic link",
            FileType::Fifo => "FIFO",
            FileType::Socket => "socket",
            FileType::CharacterDevice | FileType::BlockDevice => "device",
            FileType::Unknown => "thing of unknown kind",
        },
        expected: match expected {
            FileType::Directory => "an ordinary directory",
            _ => "an ordinary file",
        },
    })
}

fn failure(path: &Path, errno: Errno) -> StoreError {
    let path = path.to_path_buf();
    match errno {
        Errno::NOENT => StoreError::Missing { path },
        Errno::LOOP => StoreError::Kind {
            path,
            found: "symbolic link",
            expected: "an ordinary file",
        },
        _ => StoreError::Io {
            path,
            source: io::Error::from(errno),
        },
    }
}
