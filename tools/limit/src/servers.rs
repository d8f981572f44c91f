//! The servers that are measured, each in a child process: the real one serving this version alone, and the HTTP floor.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;
use stillhouse::{
    config::Config,
    http::{admin::AdminSettings, answer::Timings},
    store::Repository,
};
use stillhouse_child_server::Server;
use tempfile::TempDir;

use crate::{steps::ObservedAnswer, subject::Subject};

/// Both servers, and how the real one describes itself.
pub struct MeasuredServers {
    /// `stillhouse serve`.
    pub server: Server,
    /// The same routes and layers with a constant as the answer.
    pub floor: Server,
    /// One of the server's answers, which is also the constant that the floor sends.
    pub observed: ObservedAnswer,
    /// The server's engine, batch size and workers.
    pub serving: Serving,
    /// Time from the server's start to its banner.
    pub ready: Duration,
    _folder: TempDir,
}

/// How the server runs this version.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    /// Engine and device as text.
    pub engine: String,
    /// Largest batch that it forms, in pictures.
    pub max_batch: usize,
    /// Engines that run concurrently.
    pub workers: usize,
    /// Batch sizes that it measured when the version was loaded, 1 and `max_batch` included, ascending.
    pub sizes: Vec<usize>,
}

impl MeasuredServers {
    /// Starts both as children that run `program`, with the settings of `config` except for what would interfere with other
    /// servers: they have free ports, a repository and state folder of their own, no tokens, no teacher.
    ///
    /// # Errors
    /// A server doesn't start, or doesn't answer the picture with 200.
    pub fn start(program: &Path, config: &Config, subject: &Subject) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("stillhouse-limit-")?;
        let file = folder.path().join("stillhouse.toml");
        let settings = isolated_config(folder.path(), config, subject)?;
        fs::write(&file, toml::to_string(&settings)?)?;

        let mut serve = Command::new(program);
        serve
            .args(["serve", "--end-with-stdin", "--config"])
            .arg(&file);
        let begun = Instant::now();
        let server = Server::start(serve, &folder.path().join("server.log"))?;
        let ready = begun.elapsed();
        let (answer, server_timing) = ask(&server, subject)?;
        let mut floor = Command::new(program);
        floor
            .args(["floor", "--answer", &answer])
            .args(["--server-timing", &server_timing, "--config"])
            .arg(&file);
        let floor = Server::start(floor, &folder.path().join("floor.log"))?;
        Ok(Self {
            serving: serving(&server, subject)?,
            observed: observed(&answer)?,
            server,
            floor,
            ready,
            _folder: folder,
        })
    }
}

/// The configuration of both servers; the version is written to a repository below `folder`.
fn isolated_config(folder: &Path, config: &Config, subject: &Subject) -> anyhow::Result<Config> {
    let (model, version) = (&subject.files.model, &subject.files.version);
    let models = folder.join("models");
    Repository::create(&models)?.write_version(model, version, &subject.new_version())?;
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut own = config.models.get(model.as_str()).cloned();
    let table = own.get_or_insert_default();
    (table.stable, table.teacher) = (version.to_string(), String::new());
    let mut config = config.clone();
    (config.server.listen, config.server.admin_listen) = (any_port, any_port);
    config.control.state_path = folder.join("state");
    config.repository.path = models;
    config.repository.default_model = model.to_string();
    config.admin = AdminSettings::default();
    config.log.filter = "warn".into();
    config.models = own
        .map(|own| (model.to_string(), own))
        .into_iter()
        .collect();
    Ok(config)
}

/// The answer to the picture, and its `server-timing`.
fn ask(server: &Server, subject: &Subject) -> anyhow::Result<(String, String)> {
    let url = format!("http://{}/predict", server.address);
    let request = ureq::post(&url)
        .config()
        .http_status_as_error(false)
        .build();
    let mut reply = request
        .content_type(subject.content_type()?)
        .send(&subject.picture[..])?;
    let timing = reply.headers().get("server-timing");
    let timing = timing
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = reply.body_mut().read_to_string()?;
    match (reply.status().as_u16(), timing) {
        (200, Some(timing)) => Ok((body, timing)),
        (status, _) => bail!(
            "the server answers {} with status {status}: {body}\nnext: try another picture with --picture FILE",
            subject.picture_origin
        ),
    }
}

fn observed(answer: &str) -> anyhow::Result<ObservedAnswer> {
    let answer: Value = serde_json::from_str(answer)?;
    let seconds = |name: &str| answer["timings"][name].as_f64().context("timings");
    let text = |name: &str| answer[name].as_str().context("an answer");
    Ok(ObservedAnswer {
        request_id: text("request_id")?.to_owned(),
        top_k: answer["predictions"]
            .as_array()
            .context("predictions")?
            .len(),
        timings: Timings {
            decode_seconds: seconds("decode_seconds")?,
            queue_seconds: seconds("queue_seconds")?,
            inference_seconds: seconds("inference_seconds")?,
            batch_size: 1,
        },
    })
}

fn serving(server: &Server, subject: &Subject) -> anyhow::Result<Serving> {
    let url = format!("http://{}/models/{}", server.address, subject.files.model);
    let detail: Value = ureq::get(&url).call()?.body_mut().read_json()?;
    let role = &detail["roles"][0];
    let count = |value: &Value| value.as_u64().map(|count| count as usize);
    let max_batch = count(&role["max_batch"]).context("max_batch")?;
    let warmup = role["warmup"].as_array().context("warmup")?;
    let mut sizes: Vec<usize> = warmup
        .iter()
        .filter_map(|timing| count(&timing["rows"]))
        .chain([1, max_batch])
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    Ok(Serving {
        engine: role["engine"].as_str().context("engine")?.to_owned(),
        max_batch,
        workers: count(&role["workers"]).context("workers")?,
        sizes,
    })
}
