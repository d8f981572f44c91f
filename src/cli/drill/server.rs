//! The drill's own server: a child process on free ports, with a state folder that is deleted after the drill.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::Context;

use super::{MODEL, STABLE, TEACHER};
use crate::{cli::child::Server, config::Config};

/// A running server.
pub(super) struct DrillServer {
    server: Server,
    /// `http://HOST:PORT` of the data plane.
    pub(super) data: String,
    /// `HOST:PORT` of the admin plane.
    pub(super) admin: String,
}

impl DrillServer {
    /// Writes its own configuration into `folder`, so that the user's has no effect.
    pub(super) fn configure(folder: &Path, models: &Path) -> anyhow::Result<()> {
        let mut config = Config::default();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        (config.server.listen, config.server.admin_listen) = (anywhere, anywhere);
        config.control.state_path = folder.join("state");
        config.repository.path = models.to_owned();
        config.repository.default_model = MODEL.into();
        let model = config.models.entry(MODEL.into()).or_default();
        (model.stable, model.teacher) = (STABLE.into(), TEACHER.into());
        // Every answer is compared, so that the drill ends soon.
        config.shadow.rate = 1.0;
        config.shadow.budget_per_second = 1000.0;
        config.shadow.queue = 1024;
        fs::write(folder.join("stillhouse.toml"), toml::to_string(&config)?)?;
        Ok(())
    }

    /// Starts `serve` of this binary and waits until it answers.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "--end-with-stdin", "--config"])
            .arg(folder.join("stillhouse.toml"));
        let server = Server::start(command, &folder.join("log"))?;
        let admin = server.admin.context("the server printed no addresses")?;
        Ok(Self {
            data: format!("http://{}", server.address),
            admin: admin.to_string(),
            server,
        })
    }

    /// The process id, for `kill`.
    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Runs `kill -9` and waits until the process has ended.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.server.kill()
    }
}
