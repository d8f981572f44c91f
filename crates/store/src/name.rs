//! Names of models and versions: checked before any file is touched.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Text that names no model or version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no {what} name: write 1 to 64 of a-z, 0-9, `.`, `_`, `-`, the first of them a letter or a digit"
)]
pub struct NameError {
    what: &'static str,
    given: String,
}

/// Whether `name` matches `^[a-z0-9][a-z0-9._-]{0,63}$`.
fn is_name(name: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=64).contains(&bytes.len())
        && plain(&bytes[0])
        && bytes
            .iter()
            .all(|byte| plain(byte) || b"._-".contains(byte))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                if is_name(name) {
                    return Ok(Self(name.into()));
                }
                let given = name.chars().take(64).flat_map(char::escape_default).collect();
                Err(NameError { what: $what, given })
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.as_str().into()
            }
        }

        impl std::ops::Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

name! {
    /// The name of a model, matching `^[a-z0-9][a-z0-9._-]{0,63}$`.
    ModelName, "model"
}

name! {
    /// The name of a version, matching `^[a-z0-9][a-z0-9._-]{0,63}$`.
    VersionName, "version"
}

/// Runs of digits compare as numbers, so that `v9` comes before `v10`; ties are broken by the bytes.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    natural(a).cmp(natural(b)).then_with(|| a.cmp(b))
}

/// The pieces of a name; a number is its length without leading zeros, then its digits.
fn natural(name: &str) -> impl Iterator<Item = (bool, usize, &str)> {
    name.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .scan(0, move |start, piece| {
            let text = &name[*start..*start + piece.len()];
            *start += piece.len();
            Some(if piece[0].is_ascii_digit() {
                let number = text.trim_start_matches('0');
                (false, number.len(), number)
            } else {
                (true, 0, text)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_short_names_pass() {
        let longest = "a".repeat(64);
        for good in [
            "a",
            "0",
            "fashion",
            "v1",
            "2024-11-02_a.b",
            "a..",
            longest.as_str(),
        ] {
            assert_eq!(good.parse::<ModelName>().unwrap().as_str(), good);
        }
        let (long, huge) = ("a".repeat(65), "a".repeat(10_240));
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "x/y",
            "/etc",
            "%2e%2e",
            "a\0",
            "a b",
            "A",
            "-a",
            "_a",
            ".v1",
            "a\n",
            "é",
            "а",   // Cyrillic
            "a․b", // U+2024, one dot leader
            "a／b",
            "con\u{202e}",
            "a\\b",
            &long,
            &huge,
        ] {
            let error = bad.parse::<VersionName>().unwrap_err().to_string();
            assert!(error.contains("is no version name"), "{error}");
            assert!(error.is_ascii() && error.len() < 800, "{error}");
            assert!(
                serde_json::from_value::<ModelName>(bad.into()).is_err(),
                "{bad:?} by serde"
            );
        }
    }

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let mut names = [
            "v10",
            "v9",
            "v1.10",
            "v1.9",
            "v01",
            "v1",
            "a",
            "10",
            "v1-rc1",
            "v18446744073709551616",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            [
                "10",
                "a",
                "v01",
                "v1",
                "v1-rc1",
                "v1.9",
                "v1.10",
                "v9",
                "v10",
                "v18446744073709551616"
            ]
        );
    }
}
