//! A server on port 0, for one test.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use stillhouse::{
    app::App, config::Config, control::ControlSettings, store::Golden, version::Prepare,
};
use stillhouse_engine::{Backend, Blueprint, EngineError, scripted::Scripted};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::toy::{LABELS, SIDE, brightness, golden, gray_png, write, write_version};

/// How long an expected event may take on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Time between two checks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// Runs until dropped or stopped.
pub(crate) struct TestServer {
    pub data: SocketAddr,
    pub admin: SocketAddr,
    pub client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<anyhow::Result<()>>,
    _repository: Option<tempfile::TempDir>,
    _state: tempfile::TempDir,
    state_path: PathBuf,
}

impl TestServer {
    /// Serves the model `toy` with a correct scripted engine: the more luma, the brighter.
    pub(crate) async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        Self::scripted(brightness, configure).await
    }

    /// Serves the model `toy` by a script: `[rows, 16]` numbers in 0..=1 to `[rows, 3]` logits.
    pub(crate) async fn scripted(
        script: impl Fn(&[f32], usize) -> Result<Vec<f32>, EngineError> + Send + Sync + 'static,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let row_len = (SIDE * SIDE) as usize;
        let blueprint: Arc<dyn Blueprint> = Arc::new(Scripted::new(row_len, LABELS.len(), script));
        let prepare: Prepare = Arc::new(move |_, _| Ok(blueprint.clone()));
        // A script doesn't reproduce golden samples.
        Self::built(prepare, vec![], |config| {
            config.engine.backend = "tract".into();
            // A fixed size, so that a script sees the same warm-up on every machine.
            config.batch.max_batch = 4;
            config.batch.workers = 1;
            configure(config);
        })
        .await
    }

    /// Serves the model `toy` with one version per blueprint, the first of them stable. Their files contain only their
    /// names, which distinguish them when they are loaded.
    pub(crate) async fn fleet(
        versions: Vec<(&'static str, Scripted)>,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self::fleet_in(folder.path(), versions, configure).await;
        Self {
            _repository: Some(folder),
            ..server
        }
    }

    /// Like `fleet`, in a folder that outlives the server: versions that exist already are served, not written.
    pub(crate) async fn fleet_in(
        folder: &Path,
        versions: Vec<(&'static str, Scripted)>,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let models = folder.join("models");
        for (name, _) in &versions {
            if !models.join("toy").join(name).exists() {
                write_version(&models, name, Bytes::from_static(name.as_bytes()), vec![]);
            }
        }
        let mut config = Config::default();
        config.repository.path = models;
        config.control.state_path = folder.join("state");
        config.engine.backend = "tract".into();
        config.batch.max_batch = 4;
        config.batch.workers = 1;
        let toy = config.models.entry("toy".into()).or_default();
        toy.stable = versions[0].0.into();
        configure(&mut config);
        let blueprints: HashMap<Vec<u8>, Arc<dyn Blueprint>> = versions
            .into_iter()
            .map(|(name, scripted)| (name.into(), Arc::new(scripted) as Arc<dyn Blueprint>))
            .collect();
        let prepare: Prepare = Arc::new(move |bytes, _| {
            let unknown = || EngineError::Run("no such script".into());
            blueprints.get(&bytes[..]).cloned().ok_or_else(unknown)
        });
        Self::start_app(config, prepare).await
    }

    /// Serves the model `toy` with its real network.
    pub(crate) async fn real(backend: Backend, configure: impl FnOnce(&mut Config)) -> Self {
        Self::built(Arc::new(stillhouse_engine::prepare), golden(), |config| {
            config.engine.backend = backend.to_string();
            configure(config);
        })
        .await
    }

    async fn built(
        prepare: Prepare,
        golden: Vec<Golden>,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), golden);
        let mut config = Config::default();
        config.repository.path = folder.path().to_owned();
        configure(&mut config);
        let mut server = Self::start_app(config, prepare).await;
        server._repository = Some(folder);
        server
    }

    /// Serves the models of a configuration, on free ports.
    pub(crate) async fn of(config: Config) -> Self {
        Self::start_app(config, Arc::new(stillhouse_engine::prepare)).await
    }

    async fn start_app(mut config: Config, prepare: Prepare) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        if config.control == ControlSettings::default() {
            // Files that another server has left in the working directory must have no effect here.
            config.control.state_path = state.path().join("state");
        }
        // The child process would be this program, the tests.
        config.loading.child_process = false;
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.server.admin_listen = ([127, 0, 0, 1], 0).into();
        let state_path = config.control.state_path.clone();
        let app = App::build(config, None, prepare)
            .await
            .unwrap_or_else(|error| panic!("the server starts: {error:#}"));
        let (data, admin) = app.addresses().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(app.serve(async move {
            let _ = stopped.await;
        }));
        let server = Self {
            data,
            admin,
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            stop: Some(stop),
            served,
            _repository: None,
            _state: state,
            state_path,
        };
        server
            .client
            .get(server.url("/livez"))
            .send()
            .await
            .expect("alive");
        server
    }

    /// The folder of state and audit log.
    pub(crate) fn state_path(&self) -> &Path {
        &self.state_path
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.data)
    }

    /// Posts bytes to `/predict`.
    pub(crate) async fn predict(&self, body: impl Into<reqwest::Body>) -> Reply {
        self.post("/predict", body, &[]).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = self.client.post(self.url(path)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(
            self.client
                .get(self.url(path))
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// Sends an order to the admin plane, for the current generation.
    pub(crate) async fn order(&self, method: &str, path: &str, body: serde_json::Value) -> Reply {
        self.admin(
            method,
            &format!("/admin/models/toy/{path}?force=true"),
            &[],
            body,
        )
        .await
    }

    /// Sends a request to the admin plane.
    pub(crate) async fn admin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: serde_json::Value,
    ) -> Reply {
        let url = format!("http://{}{path}", self.admin);
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, url).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.send().await.expect("an answer")).await
    }

    /// The deployment of `toy` as operators see it.
    pub(crate) async fn deployment(&self) -> serde_json::Value {
        let reply = self
            .admin("GET", "/admin/models/toy", &[], serde_json::Value::Null)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        let answer = self.client.get(url).send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// The value of one series; 0 if it doesn't exist yet.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// Waits until a series is at least this; background work takes its time.
    pub(crate) async fn until(&self, series: &str, least: f64) {
        let begun = std::time::Instant::now();
        while self.metric(series).await < least {
            assert!(
                begun.elapsed() < PATIENCE,
                "{series} is {} after a minute, not {least}",
                self.metric(series).await
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the admin plane's answer at a path below the model's satisfies `enough`.
    pub(crate) async fn admin_view(
        &self,
        path: &str,
        enough: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let begun = std::time::Instant::now();
        loop {
            let path = format!("/admin/models/toy{path}");
            let reply = self.admin("GET", &path, &[], serde_json::Value::Null).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let view = reply.json();
            if enough(&view) {
                return view;
            }
            assert!(begun.elapsed() < PATIENCE, "after a minute: {view:#}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whatever a test did, the next good request must be answered correctly.
    pub(crate) async fn assert_well(&self) {
        let reply = self.predict(gray_png(SIDE, 250)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.json()["predictions"][0]["label"], "bright");
    }

    /// Asks the server to stop, without waiting.
    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().expect("once").send(());
    }

    /// Waits for a shutdown with an error, and returns the error.
    pub(crate) async fn failure(self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.served).await;
        let result = ended.expect("it ends").expect("no panic");
        format!("{:#}", result.expect_err("an error"))
    }

    /// Waits for a clean shutdown.
    pub(crate) async fn ended(self) {
        self.served.await.expect("no panic").expect("a clean end");
    }
}

/// An answer, read completely.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub(crate) async fn of(answer: reqwest::Response) -> Self {
        Self {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("a body"),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// Asserts a problem of this status and code, with all its members.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(problem["detail"], problem["error"]);
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 10)
        );
        assert!(problem["title"].is_string() && problem["type"].is_string());
    }
}
