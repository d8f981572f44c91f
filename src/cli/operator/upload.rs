//! `stillhouse upload`

use std::{
    io::{self, IsTerminal, Read, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use ureq::{
    SendBody,
    http::{Method, header},
};

use super::{
    client::Ask,
    pack::{self, Parcel},
    print,
    target::{Target, quoted},
};
use crate::{
    cli::{models::Size, output},
    http::admin::VersionList,
    store::VersionName,
};

/// Fast enough to be seen moving.
const REDRAW: Duration = Duration::from_millis(100);

/// How the names of archives end.
const ARCHIVES: [&str; 4] = ["tar", "tgz", "gz", "zip"];

#[derive(Args)]
pub(in crate::cli) struct Upload {
    /// Its name on the server
    version: VersionName,
    /// The version's directory (with its manifest.toml), or a tar, tar.gz or zip of it
    path: PathBuf,
    #[command(flatten)]
    target: Target,
}

impl Upload {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        self.refuse_networks()?;
        let parcel = Parcel::of(&self.path).with_context(|| self.path.display().to_string())?;
        let (client, model) = self.target.find()?;
        let path = format!("/admin/models/{model}/versions");
        let (there, _) = client.get::<VersionList>(&path)?;
        if there
            .versions
            .iter()
            .any(|one| one.version == self.version.as_str())
        {
            bail!(
                "{model} has a version {} already, and versions never change: take another name",
                self.version
            );
        }
        // A caller without access is refused before the bytes are sent.
        let mut headers = vec![
            (header::EXPECT, "100-continue".to_owned()),
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        ];
        if let Some(bytes) = parcel.len() {
            headers.push((header::CONTENT_LENGTH, bytes.to_string()));
        }
        let path = format!("/admin/models/{model}/versions/{}", self.version);
        let ask = Ask {
            method: Method::PUT,
            path: &path,
            headers,
            wait: client.patience(),
        };
        let mut counted = Counted::new(parcel);
        let answer = client.send(&ask, SendBody::from_reader(&mut counted));
        let sent = counted.end();
        let answer = answer?;
        if self.target.server.json {
            return Ok(print(out, &answer)?);
        }
        writeln!(out, "{model}/{} is there ({sent} sent)", self.version)?;
        let flags = self.target.server.flags();
        writeln!(
            out,
            "next: stillhouse canary start {} --share 1% --model {model}{flags}",
            self.version
        )?;
        Ok(())
    }
}

impl Upload {
    /// A bare network is no version: it has neither labels nor a transform nor golden samples.
    fn refuse_networks(&self) -> anyhow::Result<()> {
        let path = &self.path;
        let end = path.extension().unwrap_or_default().to_ascii_lowercase();
        let named_so = ARCHIVES.iter().any(|archive| end == *archive);
        // The server judges what calls itself an archive.
        if !path.is_file() || named_so || pack::is_archive(path)? {
            return Ok(());
        }
        let model = self.target.named().map_or("MODEL", |name| name.as_str());
        let version = &self.version;
        bail!(
            "{0} is no archive of a version, but {1}. `import` makes a version of a network, and `upload` sends it:\n\
             next: stillhouse import {2} --model {model} --version {version} --models made && stillhouse upload \
             {version} made/{model}/{version} --model {model}{3}",
            path.display(),
            match end == "onnx" {
                true => "an ONNX network",
                false => "another kind of file",
            },
            quoted(&path.display().to_string()),
            self.target.server.flags()
        )
    }
}

/// Shows on a terminal how far it is.
struct Counted {
    parcel: Parcel,
    sent: u64,
    shown: Option<Instant>,
}

impl Counted {
    fn new(parcel: Parcel) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self {
            parcel,
            sent: 0,
            shown,
        }
    }

    fn show(&self) {
        let of = self
            .parcel
            .len()
            .map_or_else(String::new, |all| format!(" of {}", Size(all)));
        output::progress(&format!("{}{of} sent", Size(self.sent)));
    }

    fn end(&self) -> Size {
        if self.shown.is_some() {
            self.show();
            output::progress_ends();
        }
        Size(self.sent)
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.parcel.read(into)?;
        self.sent += read as u64;
        if self.shown.is_some_and(|shown| shown.elapsed() >= REDRAW) {
            self.show();
            self.shown = Some(Instant::now());
        }
        Ok(read)
    }
}
