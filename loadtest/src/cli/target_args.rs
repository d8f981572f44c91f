//! The arguments that all subcommands share: what is sent, and where.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;

use crate::{
    client::{Request, Target},
    generator::{Check, Job, Protocol},
    pictures::{self, Labels},
    preflight,
    quantity::{Share, Time},
};

#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// URL of the requests.
    #[arg(
        long,
        default_value = "http://127.0.0.1:8080/predict",
        value_name = "URL"
    )]
    url: String,
    /// Picture files, or folders of them; the pictures are sent in rotation.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pictures: Vec<PathBuf>,
    /// Version of HTTP: 1 (HTTP/1.1 with keep-alive) or 2 (HTTP/2 with prior knowledge).
    #[arg(long, value_enum, default_value = "1", value_name = "VERSION")]
    http: Protocol,
    /// Concurrent requests on each HTTP/2 connection.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Number of generator threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Time limit of a response, from when its request was sent.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    timeout: Time,
    /// A header to add to every request (may be repeated).
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// How responses are checked.
    #[arg(long, value_enum, default_value = "full")]
    check: Check,
    /// Where to find the pictures' true labels.
    #[arg(long, value_enum, default_value = "auto")]
    labels: Labels,
    /// The largest allowed share of answers that differ from a known label. No network is always right, but one that is
    /// wrong about a quarter of the pictures is broken or was trained for other pictures.
    #[arg(long, default_value = "25%", value_name = "SHARE")]
    wrong_labels: Share,
}

impl TargetArgs {
    /// Reads the pictures and sends one of them, so that a wrong setup is reported before the load starts.
    pub(super) fn job(&self, connections: usize) -> anyhow::Result<Job> {
        ensure!(connections > 0, "--connections: at least one");
        ensure!(
            self.streams > 0 && self.threads > 0,
            "--streams and --threads: at least one"
        );
        ensure!(
            self.http == Protocol::Http2 || self.streams == 1,
            "HTTP/1.1 sends one request at a time: leave --streams out, or add --http 2"
        );
        let target: Target = self.url.parse()?;
        let pictures = pictures::read(&self.pictures)?;
        let requests = pictures
            .iter()
            .map(|picture| Request::new(&target, &self.headers, picture));
        let mut job = Job {
            requests: requests.collect::<Result<_, _>>()?,
            target,
            protocol: self.http,
            connections,
            streams: self.streams,
            threads: self.threads,
            timeout: self.timeout.0,
            pictures,
            check: self.check,
            slow: None,
        };
        let known = preflight::check(&job)?;
        let labelled = pictures::label(&mut job.pictures, self.labels, known.as_deref());
        let claimed = matches!(self.labels, Labels::File | Labels::Folder);
        ensure!(
            !claimed || labelled > 0,
            "no picture's name holds a label; see --labels"
        );
        Ok(job)
    }

    pub(super) fn wrong_labels(&self) -> f64 {
        self.wrong_labels.0
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.max(1)
    }
}

fn header(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text
        .split_once(':')
        .context("write it like `x-user-id: 7`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
