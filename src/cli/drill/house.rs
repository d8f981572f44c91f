//! The drill's own server: a child on free ports, with a state folder that goes away with the drill.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, bail};

use super::{MODEL, STABLE, TEACHER};
use crate::config::Config;

/// Lines of the child's log that are shown when it ends too soon.
const LOG_LINES: usize = 20;

/// A running server.
pub(super) struct House {
    child: Child,
    /// Its end is the child's.
    _stdin: ChildStdin,
    /// Kept open: whoever prints into a closed pipe dies of it.
    _stdout: BufReader<ChildStdout>,
    /// `http://HOST:PORT` of the data plane.
    pub(super) data: String,
    /// `HOST:PORT` of the admin plane.
    pub(super) admin: String,
}

impl House {
    /// Writes a configuration of its own into `folder`, so that the user's counts for nothing.
    pub(super) fn furnish(folder: &Path, models: &Path) -> anyhow::Result<()> {
        let mut config = Config::default();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        (config.server.listen, config.server.admin_listen) = (anywhere, anywhere);
        config.control.state_path = folder.join("state");
        config.repository.path = models.to_owned();
        config.repository.default_model = MODEL.into();
        let model = config.models.entry(MODEL.into()).or_default();
        (model.stable, model.teacher) = (STABLE.into(), TEACHER.into());
        // Whoever watches a drill wants to see the end of it: every answer is compared.
        config.shadow.rate = 1.0;
        config.shadow.budget_per_second = 1000.0;
        config.shadow.queue = 1024;
        fs::write(folder.join("stillhouse.toml"), toml::to_string(&config)?)?;
        Ok(())
    }

    /// Starts `serve` of this very binary and waits until it answers.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let mut command = Command::new(std::env::current_exe()?);
        // Neither settings nor tokens of the user's own server reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STILLHOUSE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["serve", "--end-with-stdin", "--config"])
            .arg(folder.join("stillhouse.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("can't start a server of its own")?;
        let stdin = child.stdin.take().expect("piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        // The banner's last line.
        while !banner.contains("  curl ") {
            if stdout.read_line(&mut banner)? == 0 {
                let _ = child.wait();
                bail!(
                    "the drill's server ended before it answered:\n{}",
                    tail(&log)
                );
            }
        }
        let (Some(data), Some(admin)) =
            (origin(&banner, "predictions"), origin(&banner, "metrics"))
        else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the drill's server printed no addresses:\n{banner}");
        };
        Ok(Self {
            child,
            _stdin: stdin,
            _stdout: stdout,
            data,
            admin: admin.trim_start_matches("http://").to_owned(),
        })
    }

    /// The number for `kill`.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and its burial.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `http://HOST:PORT` of the URL that follows a word of the banner.
fn origin(banner: &str, word: &str) -> Option<String> {
    let mut lines = banner.lines().map(str::split_whitespace);
    let url = lines.find_map(|mut words| (words.next()? == word).then(|| words.next())?)?;
    let host = url.strip_prefix("http://")?.split('/').next()?;
    Some(format!("http://{host}"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_banner() {
        let banner = "stillhouse 0.1.0 answers\n  predictions  http://127.0.0.1:81/predict   (docs at http://x/docs)\n  \
                      metrics      http://127.0.0.1:82/metrics\n";
        for (word, expected) in [
            ("predictions", Some("http://127.0.0.1:81")),
            ("metrics", Some("http://127.0.0.1:82")),
            ("docs", None),
        ] {
            assert_eq!(origin(banner, word).as_deref(), expected);
        }
    }
}
