//! A version on its way out: a directory is packed while it is sent, an archive is sent as it is.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read},
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use flate2::{Compression, write::GzEncoder};

/// Bytes to send.
pub(super) enum Parcel {
    /// With its length.
    Archive(File, u64),
    /// A tar.gz whose length isn't known in advance.
    Packing(Packing),
}

impl Parcel {
    /// Opens an archive, or begins to pack a directory.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Ok(Self::Packing(Packing::begin(path.to_owned())?));
        }
        Ok(Self::Archive(File::open(path)?, metadata.len()))
    }

    /// Bytes in all, where they are known.
    pub(super) fn len(&self) -> Option<u64> {
        match self {
            Self::Archive(_, len) => Some(*len),
            Self::Packing(_) => None,
        }
    }
}

impl Read for Parcel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Archive(file, _) => file.read(into),
            Self::Packing(packing) => packing.read(into),
        }
    }
}

/// Whether a file begins as a tar, tar.gz or zip does.
pub(super) fn is_archive(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    let has = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    Ok(has(0, b"\x1f\x8b") || has(0, b"PK\x03\x04") || has(257, b"ustar"))
}

/// A directory that a thread packs into a pipe.
pub(super) struct Packing {
    pipe: PipeReader,
    packer: Option<JoinHandle<io::Result<()>>>,
}

impl Packing {
    fn begin(folder: PathBuf) -> io::Result<Self> {
        let (pipe, end) = io::pipe()?;
        Ok(Self {
            pipe,
            packer: Some(std::thread::spawn(move || pack(&folder, end))),
        })
    }
}

fn pack(folder: &Path, end: PipeWriter) -> io::Result<()> {
    // Networks hardly shrink: more effort than this only costs time.
    let mut tar = tar::Builder::new(GzEncoder::new(end, Compression::fast()));
    // Who owned the files here means nothing there.
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all("", folder)?;
    tar.into_inner()?.finish().map(drop)
}

impl Read for Packing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(into)?;
        if read == 0
            && !into.is_empty()
            && let Some(packer) = self.packer.take()
        {
            // An archive that ends early must never look like one that is complete.
            packer
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("packing the directory panicked")))?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_directory_arrives_whole_and_without_its_own_name() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("golden")).expect("made");
        let big = vec![7u8; 300_000];
        for (name, bytes) in [
            ("manifest.toml", &b"schema = 1"[..]),
            ("golden/1.png", &big),
        ] {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        let parcel = Parcel::of(folder.path()).expect("packs");
        assert_eq!(parcel.len(), None);
        let mut found = BTreeMap::new();
        let mut archive = tar::Archive::new(GzDecoder::new(parcel));
        for entry in archive.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("bytes");
            if entry.header().entry_type().is_file() {
                found.insert(path, bytes);
            }
        }
        let expected = [
            ("golden/1.png".to_owned(), big),
            ("manifest.toml".to_owned(), b"schema = 1".to_vec()),
        ];
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn what_cannot_be_packed_is_an_error_and_no_short_archive() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/nonexistent", folder.path().join("model.onnx"))
            .expect("a link");
        let mut parcel = Parcel::of(folder.path()).expect("begins");
        assert!(io::copy(&mut parcel, &mut io::sink()).is_err());
        assert!(Parcel::of(Path::new("/nonexistent")).is_err());
    }
}
