//! The configuration: composed of the modules' own settings, read once from file, environment and flags.

mod environment;
mod ranges;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    control::{Arrivals, ControlSettings, LoadingSettings, judge::Criteria},
    http::{admin::AdminSettings, listener::ConnectionSettings},
    image::Limits,
    rollout::{RoutingSettings, Share, written},
    serving::RequestSettings,
    shadow::{DriftSettings, ShadowSettings},
    strict::{Finding, StrictError, Tree},
    version::{BatchSettings, EngineSettings},
};

/// The file that is read if no file is named and this one exists.
pub const DEFAULT_FILE: &str = "config/stillhouse.toml";

/// All settings; `config/stillhouse.toml` explains every key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses, threads, shutdown.
    pub server: ServerSettings,
    /// Limits of one connection.
    pub connections: ConnectionSettings,
    /// Limits of one request.
    pub requests: RequestSettings,
    /// Limits of one picture.
    pub image: Limits,
    /// Where and how networks run.
    pub engine: EngineSettings,
    /// How batches form.
    pub batch: BatchSettings,
    /// How a request's role is chosen.
    pub routing: RoutingSettings,
    /// How much is compared with the teacher.
    pub shadow: ShadowSettings,
    /// Which drift is worth an alarm.
    pub drift: DriftSettings,
    /// The criteria by which canaries are judged.
    pub judge: Criteria,
    /// Which operators may change what is served.
    pub admin: AdminSettings,
    /// The folder of the journal.
    pub control: ControlSettings,
    /// How versions are loaded.
    pub loading: LoadingSettings,
    /// The model repository.
    pub repository: RepositorySettings,
    /// The format of the log.
    pub log: LogSettings,
    /// Per model: the version that answers, and tables that replace the general ones.
    pub models: BTreeMap<String, ModelSettings>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The data plane's address.
    pub listen: SocketAddr,
    /// The admin plane's address: metrics, and everything that changes what is served.
    pub admin_listen: SocketAddr,
    /// Threads that read, decode and write; 0: one per two cores.
    pub threads: usize,
    /// Seconds that open requests get after SIGTERM.
    pub drain_timeout_seconds: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin_listen: ([127, 0, 0, 1], 8081).into(),
            threads: 0,
            drain_timeout_seconds: 25,
        }
    }
}

/// `[repository]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepositorySettings {
    /// The model repository's folder.
    pub path: PathBuf,
    /// The model behind `/predict`; empty: the only one there is.
    pub default_model: String,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            path: "models".into(),
            default_model: String::new(),
        }
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty in a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people to read.
    Pretty,
    /// One object per line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `auto`, `pretty` or `json`.
    pub format: LogFormat,
    /// Which events: `info`, or a filter for `tracing_subscriber::EnvFilter`, e.g. `stillhouse=debug,info`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            filter: "info".into(),
        }
    }
}

/// `[models.<name>]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// The version that answers; empty: the only one there is.
    pub stable: String,
    /// The version that the others were trained from; empty: none.
    pub teacher: String,
    /// Replaces `loading.on_arrival`.
    pub on_arrival: Option<Arrivals>,
    /// Replaces `loading.arrival_share`.
    #[serde(default, with = "written::optional")]
    pub arrival_share: Option<Share>,
    /// Replaces `[engine]` as a whole.
    pub engine: Option<EngineSettings>,
    /// Replaces `[batch]` as a whole.
    pub batch: Option<BatchSettings>,
    /// Replaces `[routing]` as a whole.
    pub routing: Option<RoutingSettings>,
    /// Replaces `[shadow]` as a whole.
    pub shadow: Option<ShadowSettings>,
    /// Replaces `[judge]` as a whole.
    pub judge: Option<Criteria>,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Its content is invalid.
    #[error(transparent)]
    Strict(#[from] StrictError),
}

/// `key=value` from a flag, with the flag's name for errors.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `server.listen`.
    pub key: String,
    /// As typed.
    pub value: String,
    /// `--listen`.
    pub flag: String,
}

impl Config {
    /// Reads the file, then the environment, then the flags: the later overrides the earlier.
    ///
    /// # Errors
    /// A named file that doesn't exist, every error of [`crate::strict`], and every value out of its range.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[Setting],
    ) -> Result<Self, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default.is_file().then_some(default));
        let mut tree = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
                    path: path.to_owned(),
                    source,
                })?;
                Tree::parse(&text, path)?
            }
            None => Tree::empty("defaults"),
        };
        let mut variables: Vec<_> = environment.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            if let Some(key) = environment::key(&name) {
                tree.set(&key, &value, &name)?;
            }
        }
        for setting in flags {
            tree.set(&setting.key, &setting.value, &setting.flag)?;
        }
        let config: Self = tree.typed()?;
        let findings: Vec<Finding> = ranges::check(&config)
            .into_iter()
            .map(|found| Finding {
                place: tree.place(&found.key).to_owned(),
                message: format!("`{}`: {}", found.key, found.message),
            })
            .collect();
        match findings.is_empty() {
            true => Ok(config),
            false => Err(StrictError { findings }.into()),
        }
    }

    /// Environment variables that look like this program's and aren't read, with the name that was probably meant.
    pub fn unread_variables<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        environment::unread(names, &ranges::keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        text: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stillhouse.toml");
        std::fs::write(&path, text).expect("written");
        let environment = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let flags: Vec<Setting> = flags
            .iter()
            .map(|(key, value)| Setting {
                key: key.to_string(),
                value: value.to_string(),
                flag: format!("--set {key}"),
            })
            .collect();
        Config::load(Some(&path), environment, &flags).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_override_the_environment_overrides_the_file() {
        let text = "[batch]\nqueue = 7\nworkers = 1\nmax_batch = 2\n[models.fashion]\nstable = 'a'";
        let config = load(
            text,
            &[
                ("STILLHOUSE__BATCH__QUEUE", "8"),
                ("STILLHOUSE__BATCH__WORKERS", "3"),
                ("OTHER", "1"),
            ],
            &[("batch.queue", "9"), ("server.listen", "0.0.0.0:1")],
        )
        .expect("valid");
        let batch = (
            config.batch.queue,
            config.batch.workers,
            config.batch.max_batch,
        );
        assert_eq!(batch, (9, 3, 2));
        assert_eq!(config.server.listen.port(), 1);
        assert_eq!(config.models["fashion"].stable, "a");
    }

    #[test]
    fn mistakes_name_their_place_and_the_nearest_key() {
        for (text, environment, parts) in [
            ("[sever]\n", vec![], vec!["stillhouse.toml:1", "server"]),
            (
                "[batch]\nmax_bach = 3",
                vec![],
                vec!["stillhouse.toml:2", "max_batch"],
            ),
            (
                "[batch]\nqueue = 'many'",
                vec![],
                vec!["stillhouse.toml:2", "queue"],
            ),
            (
                "",
                vec![("STILLHOUSE__BATCH__QEUE", "3")],
                vec!["STILLHOUSE__BATCH__QEUE", "queue"],
            ),
        ] {
            let error = load(text, &environment, &[]).expect_err(text);
            for part in parts {
                assert!(error.contains(part), "{error} must contain {part}");
            }
        }
    }

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_FILE);
        let mut shipped = Config::load(Some(&path), [], &[]).expect("the shipped file is valid");
        shipped.models.clear();
        assert_eq!(shipped, Config::default());
        // Missing keys would pass above: the file must also contain all of them.
        let text = std::fs::read_to_string(&path).expect("read");
        let mut written: toml::Table = text.parse().expect("TOML");
        written.remove("models").expect("an example");
        let mut complete = toml::Table::try_from(Config::default()).expect("TOML");
        complete.remove("models").expect("a key");
        assert_eq!(written, complete);
    }
}
