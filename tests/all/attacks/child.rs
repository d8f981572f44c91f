//! The server in a process of its own, with limits, and what it takes.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::toy::{golden, network, write_version};

/// Two versions of `toy`; ended when it is dropped.
pub(super) struct Limited {
    child: Child,
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Limited {
    /// Starts it behind a line of shell, such as `ulimit -n 256`.
    pub(super) fn start(limit: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let models = folder.path().join("models");
        for version in ["v1", "v2"] {
            write_version(&models, version, network(), golden());
        }
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
            .args([env!("CARGO_BIN_EXE_stillhouse"), "serve", "--listen"])
            .args(["127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--set", "models.toy.stable=v1"])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let banner: Vec<String> = lines
            .map_while(Result::ok)
            .take_while(|line| !line.contains("curl "))
            .collect();
        let address = |label: &str| {
            let line = banner
                .iter()
                .find(|line| line.trim_start().starts_with(label));
            let line = line.unwrap_or_else(|| panic!("no {label} in {banner:?}"));
            let url = line.split("http://").nth(1).expect("a URL");
            url.split('/')
                .next()
                .expect("a host")
                .parse()
                .expect("an address")
        };
        Self {
            data: address("predictions"),
            admin: address("metrics"),
            child,
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            _folder: folder,
        }
    }

    /// A field of /proc/PID/status in bytes; none where there is no /proc.
    pub(super) fn memory(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kilobytes: u64 = line
            .trim_matches([':', ' ', '\t'])
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        Some(kilobytes * 1024)
    }

    /// The status and the time of a request to the admin plane, on a connection of its own.
    pub(super) async fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Duration) {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("http://{}{path}", self.admin);
        let begun = Instant::now();
        let request = client
            .request(method.parse().expect("a method"), url)
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        answer.bytes().await.expect("a body");
        (status, begun.elapsed())
    }

    pub(super) async fn metric(&self, series: &str) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let text = self.client.get(url).send().await.expect("an answer");
        let text = text.text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// `stillhouse health` for this server; the process must not share its limits.
    pub(super) fn health(&self) -> bool {
        let asked = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
            .args(["health", "--timeout-ms", "20000", "--admin-listen"])
            .arg(self.admin.to_string())
            .current_dir(self._folder.path())
            .stdout(Stdio::null())
            .status();
        asked.expect("it runs").success()
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
