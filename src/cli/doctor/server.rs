//! The server of this configuration, if one answers.

use std::time::Duration;

use super::finding::Finding;
use crate::{
    cli::{
        health::{self, reachable},
        operator::{Client, ClientError},
    },
    config::Config,
    http::admin::DeploymentList,
};

const AREA: &str = "server";

/// A server on this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Readiness, and who answers.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let data = reachable(config.server.listen);
    if std::net::TcpStream::connect_timeout(&data, PATIENCE).is_err() {
        let text = format!("no server answers on {data}; `stillhouse serve` starts one");
        return vec![Finding::ok(AREA, text)];
    }
    let mut findings = vec![match health::ask(data, PATIENCE) {
        Ok(()) => Finding::ok(AREA, format!("{data} is ready")),
        Err(error) => Finding::failed(
            AREA,
            format!("{error:#}"),
            "look at the server's log; stop what else listens there, or choose another server.listen",
        ),
    }];
    let admin = reachable(config.server.admin_listen);
    let asked = Client::new(&admin.to_string(), PATIENCE, String::new())
        .and_then(|client| client.get::<DeploymentList>("/admin/models"));
    findings.push(match asked {
        Ok((list, _)) => {
            let names = list
                .models
                .iter()
                .map(|view| format!("{} (stable {})", view.model, view.assignment.stable));
            let names: Vec<String> = names.collect();
            Finding::ok(
                AREA,
                format!("the admin listener on {admin} serves {}", names.join(", ")),
            )
        }
        Err(error) => {
            let text = error.to_string();
            let (text, next) = text
                .split_once("\nnext: ")
                .unwrap_or((&text, "stillhouse status"));
            match &error {
                ClientError::Problem(_) => Finding::warning(AREA, text, next),
                _ => Finding::failed(AREA, text, next),
            }
        }
    });
    findings
}
