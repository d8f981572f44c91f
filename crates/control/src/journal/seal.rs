//! What lines and files are sealed with: a hash that anybody can compute, or one that takes a key.

use std::{fmt, fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::JournalError;

/// Shorter keys can be guessed.
const SHORTEST_KEY: usize = 32;

/// Longer files are no keys.
const LONGEST_KEY: u64 = 4 << 10;

/// The key of a log. Its bytes are shown nowhere.
#[derive(Clone)]
pub struct AuditKey(Arc<[u8]>);

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey")
    }
}

impl AuditKey {
    /// Reads a key: the bytes of a file without white space around them. A link is followed, as secrets are often mounted
    /// as links.
    ///
    /// # Errors
    /// It can't be read, is no ordinary file, too short or too long.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io {
            path: path.into(),
            source,
        };
        let wrong = |detail: String| JournalError::Key {
            path: path.into(),
            detail,
        };
        // Looked at first: opening a FIFO would wait for its writer.
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() {
            return Err(wrong("it is no ordinary file".into()));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LONGEST_KEY + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let key = bytes.trim_ascii();
        if key.len() < SHORTEST_KEY || bytes.len() as u64 > LONGEST_KEY {
            return Err(wrong(format!(
                "a key has {SHORTEST_KEY} to {LONGEST_KEY} bytes; `openssl rand -hex 32` makes one"
            )));
        }
        if found.permissions().mode() & 0o007 != 0 {
            tracing::warn!(path = %path.display(), "everybody on this machine may use the audit key: chmod 600 it");
        }
        Ok(Self(key.into()))
    }
}

/// How the log is sealed.
#[derive(Clone, Debug, Default)]
pub enum Seal {
    /// SHA-256: what was changed by mistake, or cut off, shows.
    #[default]
    Hash,
    /// HMAC-SHA-256: what was changed by anybody without the key shows as well.
    Key(AuditKey),
}

impl Seal {
    /// With the key in this file, or without one.
    ///
    /// # Errors
    /// Those of [`AuditKey::read`].
    pub fn of(key_file: Option<&Path>) -> Result<Self, JournalError> {
        Ok(match key_file {
            None => Self::Hash,
            Some(path) => Self::Key(AuditKey::read(path)?),
        })
    }

    /// Whether it takes a key.
    pub fn is_keyed(&self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// The seal of these bytes after one another, in 64 hexadecimal digits.
    pub(crate) fn over(&self, parts: &[&[u8]]) -> String {
        let digest: [u8; 32] = match self {
            Self::Hash => {
                let mut hash = Sha256::new();
                parts.iter().for_each(|part| hash.update(part));
                hash.finalize().into()
            }
            Self::Key(AuditKey(key)) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().into()
            }
        };
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 1 and 6; FIPS 180's "abc".
    #[test]
    fn seals_are_the_standards() {
        for (key, data, mac) in [
            (
                vec![0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let seal = Seal::Key(AuditKey(key.into()));
            let (one, two) = data.as_bytes().split_at(3);
            assert_eq!(seal.over(&[one, two]), mac);
        }
        assert_eq!(
            Seal::Hash.over(&[b"a", b"bc"]),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_key_is_an_ordinary_file_of_enough_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        for (text, good) in [
            ("k".repeat(32), true),
            (format!(" {}\n", "k".repeat(64)), true),
            (format!("{}\n", "k".repeat(31)), false),
            ("k".repeat(5000), false),
            (String::new(), false),
        ] {
            std::fs::write(&path, &text).expect("written");
            assert_eq!(AuditKey::read(&path).is_ok(), good, "{} bytes", text.len());
        }
        AuditKey::read(folder.path()).expect_err("a folder");
        AuditKey::read(Path::new("/dev/zero")).expect_err("a device");
    }
}
