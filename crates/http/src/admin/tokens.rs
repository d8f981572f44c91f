//! Who may do what: bearer tokens from a file or the environment.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Shorter secrets can be guessed.
const SHORTEST_SECRET: usize = 16;

/// `[admin]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// File of tokens, one a line: `viewer` or `operator`, a name, the secret. Empty: none.
    pub tokens_file: PathBuf,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading.
    Viewer,
    /// Reading and changing.
    Operator,
}

/// Environment variables that hold one token each, with what they open.
const VARIABLES: [(&str, Access, &str); 2] = [
    ("STILLHOUSE_VIEWER_TOKEN", Access::Viewer, "viewer"),
    ("STILLHOUSE_OPERATOR_TOKEN", Access::Operator, "operator"),
];

/// Why the tokens can't be used; never names a secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read.
    #[error("admin.tokens_file {path}: {source}", path = .path.display())]
    File {
        /// As configured.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line that is no token.
    #[error("{place}: write `viewer NAME SECRET` or `operator NAME SECRET`")]
    Line {
        /// File and line.
        place: String,
    },
    /// A secret that can be guessed.
    #[error(
        "{place}: a secret has at least {SHORTEST_SECRET} characters; `openssl rand -hex 24` makes one"
    )]
    Short {
        /// File and line, or the variable.
        place: String,
    },
}

struct Token {
    access: Access,
    name: String,
    /// Of the secret: digests have one length, and comparing them reveals nothing about a prefix.
    sha256: [u8; 32],
}

/// All tokens of this server.
#[derive(Default)]
pub struct Tokens {
    tokens: Vec<Token>,
}

impl Tokens {
    /// Reads the file, if one is configured, and the environment's two variables.
    ///
    /// # Errors
    /// A file that can't be read, a line that is no token, a secret that is too short.
    pub fn load(
        settings: &AdminSettings,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TokenError> {
        let mut tokens = Self::default();
        if !settings.tokens_file.as_os_str().is_empty() {
            let path = &settings.tokens_file;
            let text = fs::read_to_string(path).map_err(|source| TokenError::File {
                path: path.clone(),
                source,
            })?;
            for (number, line) in text.lines().enumerate() {
                let place = format!("{}:{}", path.display(), number + 1);
                tokens.read(line, place)?;
            }
        }
        for (variable, access, name) in VARIABLES {
            if let Some(secret) = environment(variable).filter(|secret| !secret.is_empty()) {
                tokens.add(access, name, secret.trim(), variable.to_owned())?;
            }
        }
        Ok(tokens)
    }

    /// Whether everybody is let in.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whose secret this is. Takes as long for a wrong one as for any right one.
    pub fn find(&self, secret: &[u8]) -> Option<(&str, Access)> {
        let given: [u8; 32] = Sha256::digest(secret).into();
        let mut found = 0u32;
        for (index, token) in (1u32..).zip(&self.tokens) {
            let equal: Choice = token.sha256.ct_eq(&given);
            found.conditional_assign(&index, equal);
        }
        let token = self.tokens.get((found as usize).checked_sub(1)?)?;
        Some((&token.name, token.access))
    }

    fn read(&mut self, line: &str, place: String) -> Result<(), TokenError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (access, name, secret) = match words[..] {
            ["viewer", name, secret] => (Access::Viewer, name, secret),
            ["operator", name, secret] => (Access::Operator, name, secret),
            _ => return Err(TokenError::Line { place }),
        };
        self.add(access, name, secret, place)
    }

    fn add(
        &mut self,
        access: Access,
        name: &str,
        secret: &str,
        place: String,
    ) -> Result<(), TokenError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(TokenError::Short { place });
        }
        self.tokens.push(Token {
            access,
            name: name.to_owned(),
            sha256: Sha256::digest(secret).into(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Tokens, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        fs::write(&path, text).expect("written");
        let variable = |name: &str| {
            let found = environment.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let settings = AdminSettings { tokens_file: path };
        Tokens::load(&settings, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_opens_what_its_line_says() {
        let text =
            "# on call\noperator anna 0123456789abcdef\n\n viewer  grafana  fedcba9876543210 \n";
        let environment = [("STILLHOUSE_OPERATOR_TOKEN", "from-the-environment\n")];
        let tokens = load(text, &environment).expect("valid");
        for (secret, expected) in [
            ("0123456789abcdef", Some(("anna", Access::Operator))),
            ("fedcba9876543210", Some(("grafana", Access::Viewer))),
            ("from-the-environment", Some(("operator", Access::Operator))),
            ("0123456789abcde", None),
            ("0123456789abcdef0", None),
            ("anna", None),
            ("", None),
        ] {
            assert_eq!(tokens.find(secret.as_bytes()), expected, "{secret}");
        }
        assert!(load("", &[]).expect("valid").is_empty());
    }

    #[test]
    fn mistakes_name_their_line_and_no_secret() {
        for (text, words) in [
            ("operator anna short", "tokens:1: a secret has at least 16"),
            (
                "\nanna operator 0123456789abcdef",
                "tokens:2: write `viewer",
            ),
            ("operator 0123456789abcdef", "tokens:1: write `viewer"),
        ] {
            let error = load(text, &[]).map(|_| ()).expect_err(text);
            assert!(error.contains(words), "{error}");
            assert!(
                !error.contains("0123456789abcdef") && !error.contains("short\n"),
                "{error}"
            );
        }
        let settings = AdminSettings {
            tokens_file: "/nonexistent/tokens".into(),
        };
        let error = Tokens::load(&settings, |_| None)
            .map(|_| ())
            .expect_err("no file")
            .to_string();
        assert!(
            error.contains("admin.tokens_file /nonexistent/tokens"),
            "{error}"
        );
    }
}
