//! Which seat answers a request: chosen by the split from the caller's key, or by a header where that is allowed.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::{error::ApiError, layers::RequestId};
use crate::{
    registry::Model,
    rollout::{Deployment, Role, RoutingSettings, Seat},
};

/// Name of the header by which a client chooses a role, where `routing.role_header` allows it.
pub const ROLE: &str = "x-stillhouse-role";

/// Where a request goes.
pub struct Route<'a> {
    /// Who is asked.
    pub seat: &'a Arc<Seat>,
    /// By what the caller is told apart, where configuration and request say so.
    pub key: Option<&'a [u8]>,
    /// Whether the client chose: then it wants to see what this role answers, its errors included.
    pub pinned: bool,
}

/// Finds the seat.
///
/// # Errors
/// A role that isn't one, isn't filled or may not be chosen.
pub fn choose<'a>(
    deployment: &'a Deployment,
    model: &Model,
    headers: &'a HeaderMap,
    id: &RequestId,
) -> Result<Route<'a>, ApiError> {
    let key = key(&model.routing, headers);
    let Some(wanted) = headers.get(ROLE) else {
        return Ok(Route {
            seat: deployment.route(key.unwrap_or(id.as_str().as_bytes())),
            key,
            pinned: false,
        });
    };
    if !model.routing.role_header {
        return Err(ApiError::RoleNotAllowed);
    }
    let named = |role: &Role| {
        wanted
            .as_bytes()
            .eq_ignore_ascii_case(role.as_str().as_bytes())
    };
    let role = Role::ALL
        .into_iter()
        .find(named)
        .ok_or(ApiError::UnknownRole)?;
    let seat = deployment.seat(role).ok_or(ApiError::RoleNotFilled(role))?;
    let pinned = true;
    Ok(Route { seat, key, pinned })
}

/// The caller's key, where configuration and request have one.
fn key<'a>(settings: &RoutingSettings, headers: &'a HeaderMap) -> Option<&'a [u8]> {
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
