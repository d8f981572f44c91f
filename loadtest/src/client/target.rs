//! A parsed URL with its resolved address.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use anyhow::{Context, ensure};
use hyper::Uri;

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    uri: Uri,
    /// The first address that the host resolves to.
    pub address: SocketAddr,
    /// Host and port, as in the header.
    pub host: String,
    /// Path and query.
    pub path: String,
}

impl Target {
    pub(crate) fn url(&self) -> Uri {
        self.uri.clone()
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let uri: Uri = text.parse().with_context(|| {
            format!("`{text}` is no URL: write it like http://127.0.0.1:8080/predict")
        })?;
        ensure!(
            uri.scheme_str() == Some("http"),
            "`{text}` must begin with http://: a TLS proxy would be measured together with the server, so give the server's \
             own unencrypted port"
        );
        let host = uri.host().context("a URL names a host")?;
        let port = uri.port_u16().unwrap_or(80);
        let name = host.trim_matches(['[', ']']);
        let address = (name, port)
            .to_socket_addrs()
            .with_context(|| format!("can't find the host `{host}`"))?
            .next()
            .with_context(|| format!("the host `{host}` has no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            address,
            host: format!("{host}:{port}"),
            path: path.to_owned(),
            uri,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target: Target = "http://127.0.0.1:8080/predict?top_k=1"
            .parse()
            .expect("a URL");
        assert_eq!(target.address.to_string(), "127.0.0.1:8080");
        assert_eq!(target.host, "127.0.0.1:8080");
        assert_eq!(target.path, "/predict?top_k=1");
        let target: Target = "http://[::1]".parse().expect("a URL");
        assert_eq!(target.address.to_string(), "[::1]:80");
        assert_eq!(
            (target.host.as_str(), target.path.as_str()),
            ("[::1]:80", "/")
        );
        for wrong in ["https://127.0.0.1/", "127.0.0.1:8080", "http://", "a b"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
