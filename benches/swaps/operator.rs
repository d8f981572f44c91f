//! The admin plane's client.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::process::Server;

pub(crate) struct Operator {
    base: String,
}

impl Operator {
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        let admin = server.admin.context("an admin plane")?;
        Ok(Self {
            base: format!("http://{admin}/admin/models/fashion"),
        })
    }

    /// Carries out an order on the current generation.
    pub(crate) fn order(&self, method: &str, verb: &str, body: Value) -> anyhow::Result<()> {
        self.send(method, &format!("{verb}?force=true"), body)
            .map(drop)
    }

    /// Loads a version; it has no role and is unloaded again at once.
    pub(crate) fn load(&self, version: &str) -> anyhow::Result<()> {
        self.send("POST", &format!("versions/{version}/load"), json!({}))
            .map(drop)
    }

    fn send(&self, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        let agent = ureq::Agent::new_with_config(
            ureq::config::Config::builder()
                .http_status_as_error(false)
                .build(),
        );
        let url = format!("{}/{path}", self.base);
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string())?;
        let mut reply = agent.run(request)?;
        let answer: Value = reply.body_mut().read_json()?;
        ensure!(reply.status().is_success(), "{path}: {answer}");
        Ok(answer)
    }
}
