//! The headers of a prediction about its caller: the caller's key, a chosen role, a shorter deadline.

use std::time::Duration;

use axum::http::{HeaderMap, header};

use super::request_error::RequestError;
use stillhouse_core::rollout::{Role, RoutingSettings};
use stillhouse_serving::PredictError;

/// Name of the header by which a client chooses a role, where `routing.role_header` allows it.
pub(crate) const ROLE: &str = "x-stillhouse-role";

/// Name of the header by which a client shortens its deadline.
pub(crate) const TIMEOUT_MS: &str = "x-timeout-ms";

/// The role that the client asks for, if any.
///
/// # Errors
/// There is no role of this name.
pub(crate) fn role(headers: &HeaderMap) -> Result<Option<Role>, PredictError> {
    let Some(wanted) = headers.get(ROLE) else {
        return Ok(None);
    };
    let wanted = wanted.as_bytes();
    let is_wanted = |role: &Role| wanted.eq_ignore_ascii_case(role.as_str().as_bytes());
    let role = Role::ALL.into_iter().find(is_wanted);
    role.map(Some).ok_or(PredictError::UnknownRole)
}

/// The client's own time limit, if any.
///
/// # Errors
/// The header is not a whole number of milliseconds.
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, RequestError> {
    let Some(given) = headers.get(TIMEOUT_MS) else {
        return Ok(None);
    };
    let milliseconds = given
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    milliseconds
        .map(|milliseconds| Some(Duration::from_millis(milliseconds)))
        .ok_or(RequestError::Timeout)
}

/// The caller's key, if the configuration names one and the request has it.
pub(crate) fn key<'a>(settings: &RoutingSettings, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let header = || {
        let name = Some(&*settings.key_header).filter(|name| !name.is_empty())?;
        Some(headers.get(name)?.as_bytes()).filter(|key| !key.is_empty())
    };
    let cookie = || {
        let name = Some(&*settings.key_cookie).filter(|name| !name.is_empty())?;
        headers
            .get_all(header::COOKIE)
            .iter()
            .find_map(|line| cookie(line.as_bytes(), name.as_bytes()))
    };
    header().or_else(cookie)
}

/// The value of a cookie in one `Cookie` header: `name=value; name=value`, RFC 6265 §4.2.1.
fn cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.split(|byte| *byte == b';')
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"="))
        .find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        for (line, value) in [
            ("uid=7", Some("7")),
            ("a=1; uid=7; b=2", Some("7")),
            ("a=1;uid=7", Some("7")),
            ("xuid=1; uid=7", Some("7")),
            ("uid=", None),
            ("uid", None),
            ("uidx=1", None),
            ("", None),
        ] {
            assert_eq!(
                cookie(line.as_bytes(), b"uid"),
                value.map(str::as_bytes),
                "{line}"
            );
        }
    }

    #[test]
    fn the_header_comes_before_the_cookie_and_both_must_be_configured() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", "anna".parse().expect("a value"));
        headers.insert(header::COOKIE, "uid=7".parse().expect("a value"));
        let settings = |header: &str, cookie: &str| RoutingSettings {
            key_header: header.into(),
            key_cookie: cookie.into(),
            ..Default::default()
        };
        for (header, cookie, found) in [
            ("x-user", "uid", Some("anna")),
            ("X-User", "", Some("anna")),
            ("x-account", "uid", Some("7")),
            ("", "", None),
            ("x-account", "sid", None),
        ] {
            assert_eq!(
                key(&settings(header, cookie), &headers),
                found.map(str::as_bytes)
            );
        }
    }
}
