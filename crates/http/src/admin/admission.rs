//! Who is let in: same site, right token, enough access.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{AdminPlane, tokens::Access};
use crate::{admin_error::AdminError, error::ApiError, request_id::RequestId};
use stillhouse_control::journal::Entry;

/// A wrong token is answered after this long, one caller at a time: ten guesses a second from all callers together.
const WRONG_TOKEN_DELAY: Duration = Duration::from_millis(100);

/// So many wrong tokens may wait for their answer; more are refused immediately. Right ones never wait.
const WRONG_TOKENS_WAITING: usize = 16;

/// The requests with a wrong token that wait for their answer.
pub(super) struct Guesses {
    answering: Semaphore,
    waiting: Semaphore,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            answering: Semaphore::new(1),
            waiting: Semaphore::new(WRONG_TOKENS_WAITING),
        }
    }
}

impl Guesses {
    async fn refuse(&self) -> AdminError {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return AdminError::TooManyGuesses;
        };
        let _answering = self.answering.acquire().await;
        tokio::time::sleep(WRONG_TOKEN_DELAY).await;
        AdminError::WrongToken
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
        // Nothing was guessed, so there is nothing to slow down.
        let Some(secret) = bearer(headers) else {
            return Err(AdminError::NoToken.into());
        };
        let Some((name, access)) = tokens.find(secret) else {
            let path = request.uri().path().to_owned();
            tracing::warn!(method = %request.method(), path, "a wrong token");
            return Err(plane.guesses.refuse().await.into());
        };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !reads && access < Access::Operator {
            let entry = denial(name, &request);
            write_down(&plane, entry).await;
            return Err(AdminError::ReadOnly.into());
        }
        name.to_owned()
    };
    request.extensions_mut().insert(Caller(caller));
    Ok(next.run(request).await)
}

/// Records that a known caller wanted more than it may. Wrong tokens only go to the log: a client that guesses
/// must not be able to fill the disk.
fn denial(actor: &str, request: &Request) -> Entry {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let id = request.extensions().get::<RequestId>();
    tracing::warn!(actor, method, path, "a viewer wants to change something");
    Entry {
        time: Timestamp::now(),
        actor: actor.to_owned(),
        action: "denied".into(),
        model: None,
        reason: String::new(),
        request_id: id.map_or_else(String::new, |id| id.as_str().to_owned()),
        from: None,
        to: None,
        detail: Some(json!({ "method": method, "path": path })),
    }
}

async fn write_down(plane: &AdminPlane, entry: Entry) {
    let control = plane.control.clone();
    let noted = tokio::task::spawn_blocking(move || control.note(&entry)).await;
    if let Ok(Err(error)) = noted {
        tracing::error!(%error, "a denied change could not be written down");
    }
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
