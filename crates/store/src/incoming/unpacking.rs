//! What comes out of an archive, whichever kind: counted, named safely, written durably.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use super::refusal::{damaged, refused};
use crate::{
    MANIFEST, StoreError,
    folder::is_safe_path,
    write::{io_at, sync},
};

/// A manifest, a network and at most 100 golden samples of two files each, with room to spare.
pub(super) const MAX_ENTRIES: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// An archive half unpacked.
pub(super) struct Unpacking {
    root: PathBuf,
    limit_bytes: u64,
    left_bytes: u64,
    entries: usize,
    /// By their names in small letters: two that differ in nothing else are one file on some disks.
    taken: BTreeMap<String, (String, Kind)>,
}

/// What was in an archive.
#[derive(Debug)]
pub(super) struct Names {
    /// The one folder that everything stands below; empty where it stands at the top.
    pub(super) below: String,
    /// The files' paths from there.
    pub(super) files: BTreeSet<String>,
}

impl Unpacking {
    pub(super) fn new(root: &Path, limit_bytes: u64) -> Self {
        Self {
            root: root.into(),
            limit_bytes,
            left_bytes: limit_bytes,
            entries: 0,
            taken: BTreeMap::new(),
        }
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// One more entry, of whatever kind.
    pub(super) fn count(&mut self) -> Result<(), StoreError> {
        self.entries += 1;
        match self.entries > MAX_ENTRIES {
            true => Err(too_many()),
            false => Ok(()),
        }
    }

    /// A folder that is named by an entry of its own.
    pub(super) fn folder(&mut self, name: &[u8]) -> Result<(), StoreError> {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        match name {
            b"." => Ok(()),
            name => {
                let path = safe(name)?;
                self.folders(&path)
            }
        }
    }

    /// A file of `size_bytes`, by its header; what counts against the limit is what comes.
    pub(super) fn file(
        &mut self,
        name: &[u8],
        size_bytes: u64,
        from: &mut impl Read,
    ) -> Result<(), StoreError> {
        let path = safe(name)?;
        if let Some((folders, _)) = path.rsplit_once('/') {
            self.folders(folders)?;
        }
        self.take(&path, Kind::File)?;
        let target = self.root.join(&path);
        let mut file = io_at(&target, File::create_new(&target))?;
        let mut chunk = vec![0; 64 << 10];
        let mut written_bytes = 0;
        loop {
            let read = from.read(&mut chunk).map_err(damaged)?;
            if read == 0 {
                break;
            }
            let left = self.left_bytes.checked_sub(read as u64);
            self.left_bytes = left.ok_or(StoreError::ArchiveTooLarge {
                limit_bytes: self.limit_bytes,
            })?;
            written_bytes += read as u64;
            io_at(&target, file.write_all(&chunk[..read]))?;
        }
        if written_bytes != size_bytes {
            return Err(refused(format!(
                "`{path}` has {written_bytes} bytes, its header says {size_bytes}: the archive was cut"
            )));
        }
        io_at(&target, file.sync_all())
    }

    /// Makes the folders' contents durable and returns the names of what was unpacked.
    pub(super) fn finish(self) -> Result<Names, StoreError> {
        for (folder, kind) in self.taken.values() {
            if *kind == Kind::Folder {
                sync(&self.root.join(folder))?;
            }
        }
        let mut files: BTreeSet<String> = self
            .taken
            .into_values()
            .filter(|(_, kind)| *kind == Kind::File)
            .map(|(path, _)| path)
            .collect();
        if files.contains(MANIFEST) {
            let below = String::new();
            return Ok(Names { below, files });
        }
        let first = files.first().and_then(|path| path.split_once('/'));
        let below = first.map_or(String::new(), |(folder, _)| folder.to_owned());
        let cut = |path: &String| Some(path.strip_prefix(&below)?.strip_prefix('/')?.to_owned());
        match files.iter().map(cut).collect::<Option<BTreeSet<_>>>() {
            Some(inner) if inner.contains(MANIFEST) => files = inner,
            _ => {
                return Err(refused(format!(
                    "there is no {MANIFEST} in it, neither at its top nor in the one folder that holds everything"
                )));
            }
        }
        Ok(Names { below, files })
    }

    fn folders(&mut self, path: &str) -> Result<(), StoreError> {
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            if self.take(&path[..end], Kind::Folder)? {
                let target = self.root.join(&path[..end]);
                io_at(&target, fs::create_dir(&target))?;
            }
        }
        Ok(())
    }

    /// Whether the name is new; a folder may be named again.
    fn take(&mut self, path: &str, kind: Kind) -> Result<bool, StoreError> {
        match self.taken.get(&path.to_ascii_lowercase()) {
            None => {
                let taken = (path.to_owned(), kind);
                self.taken.insert(path.to_ascii_lowercase(), taken);
                Ok(true)
            }
            Some((taken, Kind::Folder)) if taken == path && kind == Kind::Folder => Ok(false),
            Some((taken, _)) if taken == path => Err(refused(format!("it holds `{path}` twice"))),
            Some((taken, _)) => Err(refused(format!(
                "`{taken}` and `{path}` differ in nothing but their case"
            ))),
        }
    }
}

pub(super) fn too_many() -> StoreError {
    refused(format!(
        "it has more than {MAX_ENTRIES} entries: a version has a manifest, a network and its golden samples"
    ))
}

/// A name that stays in its folder: what a manifest may name, below one folder or not.
fn safe(name: &[u8]) -> Result<String, StoreError> {
    let plain = name.strip_prefix(b"./").unwrap_or(name);
    let path = std::str::from_utf8(plain).unwrap_or_default();
    let inner = path.split_once('/');
    let good = is_safe_path(path)
        || inner.is_some_and(|(folder, inner)| is_safe_path(folder) && is_safe_path(inner));
    if good {
        return Ok(path.to_owned());
    }
    let shown: String = name.escape_ascii().to_string().chars().take(100).collect();
    Err(refused(format!(
        "`{shown}` is no name for a version's file: parts of A-Z, a-z, 0-9, `.`, `_` and `-` belong here, separated by `/`, none beginning with a dot"
    )))
}
