//! Who is let in: same site, right token, enough access.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{AdminPlane, throttle::Throttle, tokens::Access};
use crate::{admin_error::AdminError, error::ApiError, peer::Peer, request_id::RequestId};
use stillhouse_control::journal::Entry;

/// Characters of a path that the audit log keeps.
const PATH_CHARS: usize = 200;

/// What was refused, as it is written down: seldom, whatever is sent.
pub(super) struct Refusals {
    /// To the log, one line a second.
    wrong_tokens: Arc<Throttle>,
    /// To the audit log, by the name of the token: ten lines a minute and one for the rest.
    denied: Mutex<HashMap<String, Arc<Throttle>>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            wrong_tokens: Arc::new(Throttle::new(1, Duration::from_secs(1))),
            denied: Mutex::default(),
        }
    }
}

impl Refusals {
    /// Other tokens count from now on.
    pub(super) fn forget(&self) {
        self.denied().clear();
    }

    /// One for each name of a token: no viewer hides another's.
    fn of(&self, name: &str) -> Arc<Throttle> {
        let new = || Arc::new(Throttle::new(10, Duration::from_secs(60)));
        let mut denied = self.denied();
        denied.entry(name.to_owned()).or_insert_with(new).clone()
    }

    fn denied(&self) -> MutexGuard<'_, HashMap<String, Arc<Throttle>>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who sent a request, as the audit log names them.
#[derive(Clone, Debug)]
pub struct Caller(pub String);

/// Before every handler below `/admin`.
pub(super) async fn admit(
    State(plane): State<Arc<AdminPlane>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    same_site(headers, request.uri())?;
    let tokens = plane.tokens();
    let caller = if tokens.is_empty() {
        named_as_local(headers, request.uri())?;
        "anonymous".to_owned()
    } else {
        let address = Peer::of(request.extensions());
        // Without a token nothing was guessed, so there is nothing to limit.
        let secret = bearer(headers).ok_or(AdminError::NoToken);
        let found = secret.and_then(|secret| {
            let now = Instant::now();
            plane.guesses.compare(address, now, || tokens.find(secret))
        });
        let (name, access) = found.inspect_err(|error| {
            let (text, path) = (error.to_string(), cut(request.uri().path()));
            let line = move |requests: u64| {
                tracing::warn!(%address, path, requests, error = text, "no right token; address and path are those of the first of these requests");
            };
            let later = line.clone();
            if plane.refusals.wrong_tokens.admits(later) {
                line(1);
            }
        })?;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !reads && access < Access::Operator {
            let written = deny(&plane, name, &request);
            if let Some(written) = written {
                // A panic there was logged when it happened.
                let _ = written.await;
            }
            return Err(AdminError::ReadOnly.into());
        }
        name.to_owned()
    };
    request.extensions_mut().insert(Caller(caller));
    Ok(next.run(request).await)
}

/// Records that a known caller wanted more than it may. Wrong tokens only go to the log: a client that guesses must not be
/// able to fill the disk, and neither must a viewer.
fn deny(plane: &Arc<AdminPlane>, actor: &str, request: &Request) -> Option<JoinHandle<()>> {
    let throttle = plane.refusals.of(actor);
    let (method, path) = (request.method().to_string(), cut(request.uri().path()));
    let id = request.extensions().get::<RequestId>();
    let entry = Entry {
        time: Timestamp::now(),
        actor: actor.to_owned(),
        action: "denied".into(),
        model: None,
        reason: String::new(),
        request_id: id.map_or_else(String::new, |id| id.as_str().to_owned()),
        from: None,
        to: None,
        detail: None,
    };
    let plane = plane.clone();
    let report = move |requests: u64| {
        tracing::warn!(
            actor = entry.actor,
            method,
            path,
            requests,
            "a viewer wants to change something"
        );
        let entry = Entry {
            detail: Some(json!({ "method": method, "path": path, "requests": requests })),
            ..entry
        };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = plane.control.note(&entry) {
                tracing::error!(%error, "a denied change could not be written down");
            }
        })
    };
    let later = report.clone();
    throttle
        .admits(move |requests| _ = later(requests))
        .then(|| report(1))
}

fn cut(path: &str) -> String {
    path.chars().take(PATH_CHARS).collect()
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, secret) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| secret.trim_ascii())
}

/// Browsers say where a request comes from; other clients say nothing.
fn same_site(headers: &HeaderMap, uri: &Uri) -> Result<(), AdminError> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    let cross = |origin: &str| AdminError::CrossSite(origin.into());
    if let Some(site) = text("sec-fetch-site")
        && !matches!(&*site, "same-origin" | "none")
    {
        return Err(cross(&text("origin").unwrap_or(site)));
    }
    if let Some(origin) = text("origin") {
        let from: Option<Authority> = origin
            .parse::<Uri>()
            .ok()
            .and_then(|uri| uri.authority().cloned());
        if from.is_none() || from != authority(headers, uri) {
            return Err(cross(&origin));
        }
    }
    Ok(())
}

/// Without tokens, the name under which this server was reached is all that distinguishes a page of another site,
/// which had its own name point here, from an operator.
fn named_as_local(headers: &HeaderMap, uri: &Uri) -> Result<(), AdminError> {
    let Some(authority) = authority(headers, uri) else {
        return Ok(());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let local = host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok();
    local
        .then_some(())
        .ok_or_else(|| AdminError::ForeignHost(host.into()))
}

/// HTTP/1.1 says it in a header, HTTP/2 in the request's target.
fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()?.parse().ok());
    header.or_else(|| uri.authority().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                name.parse().expect("a name"),
                value.parse().expect("a value"),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let uri = Uri::from_static("/admin/models");
        let host = ("host", "127.0.0.1:8081");
        for (pairs, good) in [
            (vec![host], true),
            (vec![host, ("origin", "http://127.0.0.1:8081")], true),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("sec-fetch-site", "none")], true),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "http://127.0.0.1:9999")], false),
            (vec![host, ("origin", "null")], false),
            (vec![("origin", "http://127.0.0.1:8081")], false),
        ] {
            assert_eq!(same_site(&headers(&pairs), &uri).is_ok(), good, "{pairs:?}");
        }
    }

    #[test]
    fn without_tokens_only_local_names_are_taken() {
        let uri = Uri::from_static("/admin/models");
        for (host, good) in [
            ("localhost:8081", true),
            ("127.0.0.1:8081", true),
            ("[::1]:8081", true),
            ("10.0.0.7", true),
            ("rebound.example:8081", false),
            ("localhost.evil.example", false),
        ] {
            assert_eq!(
                named_as_local(&headers(&[("host", host)]), &uri).is_ok(),
                good,
                "{host}"
            );
        }
    }

    #[test]
    fn a_bearer_token_is_what_follows_the_scheme() {
        for (value, found) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("abc", None),
        ] {
            assert_eq!(
                bearer(&headers(&[("authorization", value)])),
                found.map(str::as_bytes),
                "{value}"
            );
        }
    }
}
