//! A scripted server for HTTP/1.1 and HTTP/2 that records its requests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::net::TcpListener;

/// A request, as the script sees it.
pub(crate) struct ReceivedRequest {
    /// Index among the predictions.
    pub number: usize,
    pub method: String,
    pub path: String,
    pub if_match: Option<String>,
    pub body: Bytes,
}

/// The scripted reaction to a request.
pub(crate) struct Reply {
    pub status: u16,
    pub etag: Option<&'static str>,
    pub body: String,
    pub after: Duration,
    /// Close the connection: instead of the answer if the status is 0, otherwise after it.
    pub close: bool,
}

/// An answer to a picture in Stillhouse's format.
pub(crate) fn answer(generation: u64, role: &str, version: &str, label: &str) -> Reply {
    let body = format!(
        r#"{{"request_id":"1","model":"fashion","version":"{version}","role":"{role}","generation":{generation},
            "predictions":[{{"label":"{label}","class":0,"probability":0.9}}],"timings":{{}}}}"#
    );
    Reply::new(200, body)
}

/// A correct answer.
pub(crate) fn fine() -> Reply {
    answer(1, "stable", "s1", "Ankle boot")
}

/// Problem details.
pub(crate) fn problem(status: u16, code: &str) -> Reply {
    Reply::new(status, format!(r#"{{"status":{status},"code":"{code}"}}"#))
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            etag: None,
            body: body.into(),
            after: Duration::ZERO,
            close: false,
        }
    }

    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// Runs until it is dropped.
pub(crate) struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    /// The script answers predictions and everything below /admin.
    pub(crate) fn start(
        script: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let service = Arc::new(Service {
            script: Box::new(script),
            predictions: Mutex::new(0),
            asked: asked.clone(),
        });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let answer = service_fn(|request| service.clone().answer(request));
                    // Ends with an error if the script closes the connection.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Self {
            address,
            asked,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/predict", self.address)
    }

    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far as a line: protocol, method, path, If-Match, and below /admin the body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Number of predictions so far.
    pub(crate) fn predictions(&self) -> usize {
        self.asked()
            .iter()
            .filter(|line| line.contains("/predict"))
            .count()
    }
}

struct Service {
    script: Box<dyn Fn(&ReceivedRequest) -> Reply + Send + Sync>,
    predictions: Mutex<usize>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct ScriptedClose;

impl std::fmt::Display for ScriptedClose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by the script")
    }
}

impl std::error::Error for ScriptedClose {}

impl Service {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, ScriptedClose> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| ScriptedClose)?.to_bytes();
        let path = head.uri.path_and_query().expect("a path").to_string();
        let if_match = head
            .headers
            .get("if-match")
            .map(|value| value.to_str().expect("ASCII").to_owned());
        let is_prediction = path.starts_with("/predict");
        let shown = if is_prediction {
            ""
        } else {
            std::str::from_utf8(&body).expect("text")
        };
        let line = format!(
            "{:?} {} {path} {} {shown}",
            head.version,
            head.method,
            if_match.as_deref().unwrap_or("-")
        );
        self.asked
            .lock()
            .expect("no panic")
            .push(line.trim_end().to_owned());
        if path == "/models/fashion" {
            let labels = r#"{"model":"fashion","labels":["Ankle boot","Bag"]}"#;
            return Ok(Response::new(Full::from(labels)));
        }
        let number = {
            let mut predictions = self.predictions.lock().expect("no panic");
            *predictions += usize::from(is_prediction);
            predictions.saturating_sub(1)
        };
        let asked = ReceivedRequest {
            number,
            method: head.method.to_string(),
            path,
            if_match,
            body,
        };
        let reply = (self.script)(&asked);
        tokio::time::sleep(reply.after).await;
        if reply.status == 0 {
            return Err(ScriptedClose);
        }
        let mut response = Response::builder().status(reply.status);
        if reply.close {
            response = response.header("connection", "close");
        }
        if let Some(etag) = reply.etag {
            response = response.header("etag", etag);
        }
        Ok(response.body(Full::from(reply.body)).expect("a response"))
    }
}
