//! A server on port 0, for one test.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use stillhouse::{
    app::App,
    config::Config,
    image::{Color, Filter, Layout, Resize, Transform},
    store::{
        Golden, Labels, NewVersion, Repository,
        manifest::{Element, File, Input, Manifest, Output, OutputKind, SCHEMA},
    },
};
use stillhouse_engine::{Blueprint, EngineError, scripted::Scripted};
use tokio::{sync::oneshot, task::JoinHandle};

/// The scripted model's side: pictures of 4 × 4 gray pixels.
pub const SIDE: u32 = 4;

/// The scripted model's labels.
pub const LABELS: [&str; 3] = ["dark", "middle", "bright"];

/// Runs until dropped or stopped.
pub struct TestServer {
    pub data: SocketAddr,
    pub admin: SocketAddr,
    pub client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<anyhow::Result<()>>,
    _repository: tempfile::TempDir,
}

impl TestServer {
    /// Serves the model `toy` with an honest scripted engine: the more luma, the brighter.
    pub async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        Self::scripted(brightness, configure).await
    }

    /// Serves the model `toy` by a script: `[rows, 16]` numbers in 0..=1 to `[rows, 3]` logits.
    pub async fn scripted(
        script: impl Fn(&[f32], usize) -> Result<Vec<f32>, EngineError> + Send + Sync + 'static,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_toy(folder.path());
        let mut config = Config::default();
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.server.admin_listen = ([127, 0, 0, 1], 0).into();
        config.repository.path = folder.path().to_owned();
        config.engine.backend = "tract".into();
        // A fixed size, so that a script sees the same warm-up on every machine.
        config.batch.max_batch = 4;
        config.batch.workers = 1;
        configure(&mut config);
        let row_len = (SIDE * SIDE) as usize;
        let blueprint: Arc<dyn Blueprint> = Arc::new(Scripted::new(row_len, LABELS.len(), script));
        let app = App::build(config, None, Arc::new(move |_, _| Ok(blueprint.clone())))
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
            _repository: folder,
        };
        server
            .client
            .get(server.url("/livez"))
            .send()
            .await
            .expect("alive");
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.data)
    }

    /// Posts bytes to `/predict`.
    pub async fn predict(&self, body: impl Into<reqwest::Body>) -> Reply {
        self.post("/predict", body, &[]).await
    }

    pub async fn post(
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

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(
            self.client
                .get(self.url(path))
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        let answer = self.client.get(url).send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// The value of one series; 0 where there is none yet.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// After whatever a test did, the next good request must be answered rightly.
    pub async fn assert_well(&self) {
        let reply = self.predict(gray_png(SIDE, 250)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.json()["predictions"][0]["label"], "bright");
    }

    /// Asks the server to end, without waiting.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().expect("once").send(());
    }

    /// Waits for the end.
    pub async fn ended(self) {
        self.served.await.expect("no panic").expect("a clean end");
    }
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    async fn of(answer: reqwest::Response) -> Self {
        Self {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("a body"),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// Asserts a problem of this status and code, complete in all its members.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
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

/// Logits that favour the class of the mean luma.
pub fn brightness(input: &[f32], rows: usize) -> Result<Vec<f32>, EngineError> {
    let row = |pixels: &[f32]| {
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        [0.0, 0.5, 1.0].map(|centre: f32| -40.0 * (mean - centre).powi(2))
    };
    Ok(input
        .chunks_exact(input.len() / rows)
        .flat_map(row)
        .collect())
}

/// A square gray PNG of one luma.
pub fn gray_png(side: u32, luma: u8) -> Vec<u8> {
    png(
        side,
        side,
        png::ColorType::Grayscale,
        &vec![luma; (side * side) as usize],
    )
}

/// A PNG of 8 bits a sample.
pub fn png(width: u32, height: u32, color: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(samples))
        .expect("a picture");
    bytes
}

/// The manifest of the scripted model; the file's hash is filled in when it is written.
pub fn toy_manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        description: String::new(),
        file: File {
            name: "model.onnx".into(),
            sha256: String::new(),
            size_bytes: 0,
        },
        input: Input {
            name: "input".into(),
            element: Element::F32,
        },
        transform: Transform {
            color: Color::Gray,
            width: SIDE,
            height: SIDE,
            layout: Layout::Nchw,
            resize: Resize::Stretch,
            resize_to: None,
            pad: 0,
            filter: Filter::Bilinear,
            scale: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
        },
        output: Output {
            name: "output".into(),
            kind: OutputKind::Logits,
            classes: LABELS.len(),
        },
        training: None,
        reference: None,
        golden: vec![],
    }
}

fn write_toy(root: &std::path::Path) {
    let repository = Repository::create(root).expect("a repository");
    let version = NewVersion {
        manifest: toy_manifest(),
        labels: Labels::new(LABELS.map(str::to_owned).to_vec()).expect("labels"),
        model_bytes: Bytes::from_static(b"followed by a script"),
        golden: Vec::<Golden>::new(),
    };
    let name = (
        "toy".parse().expect("a name"),
        "v1".parse().expect("a name"),
    );
    repository
        .write_version(&name.0, &name.1, &version)
        .expect("written");
}
