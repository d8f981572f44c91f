//! HTTP to the admin listener: one agent, one address, one token, and answers that are either JSON or a problem.

use std::{io, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Error, SendBody, Timeout,
    http::{HeaderName, HeaderValue, Method, Request, Response, header},
};

use super::{
    ClientError, address,
    error::{Context, Refused},
    token,
};
use crate::http::error::Problem;

/// A listener that is there takes a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Reading waits for a disk at most.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener that takes nothing of an upload for so long has gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest history is far below it.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Speaks to one admin listener.
pub(in crate::cli) struct Client {
    agent: Agent,
    base: String,
    token: Option<HeaderValue>,
    /// How long a change may take.
    patience: Duration,
    /// What a command that is proposed needs to go to the same server.
    flags: String,
}

/// One request but for its body.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// How long its answer may take.
    pub(super) wait: Duration,
}

impl Client {
    /// `admin` is an address or a URL, `flags` what a proposed command needs to go there.
    pub(in crate::cli) fn new(
        admin: &str,
        patience: Duration,
        flags: String,
    ) -> Result<Self, ClientError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Neither another host nor a proxy may see the token.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("stillhouse/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_write(Some(WRITE_TIMEOUT))
            .timeout_recv_body(Some(READ_TIMEOUT));
        Ok(Self {
            agent: config.build().new_agent(),
            base: address::base(admin)?,
            token: token::bearer(|name| std::env::var(name).ok())?,
            patience,
            flags,
        })
    }

    /// How long a change may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What a proposed command needs to go to this server.
    pub(super) fn flags(&self) -> &str {
        &self.flags
    }

    /// What is at `path`, read and as it came.
    pub(in crate::cli) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Value), ClientError> {
        let ask = Ask {
            method: Method::GET,
            path,
            headers: vec![],
            wait: READ_TIMEOUT,
        };
        let value = self.send(&ask, SendBody::none())?;
        self.read(path, value)
    }

    /// Sends an order in JSON. One that bears a key is sent once more where the connection broke: it is carried out once.
    pub(super) fn order(
        &self,
        ask: &Ask,
        body: &Value,
        has_key: bool,
    ) -> Result<Value, ClientError> {
        let json = || SendBody::from_json(body).expect("plain values");
        match self.send(ask, json()) {
            Err(ClientError::Broken { .. }) if has_key => self.send(ask, json()),
            answer => answer,
        }
    }

    /// Sends a request; null stands for an answer without a body.
    pub(super) fn send(&self, ask: &Ask, body: SendBody) -> Result<Value, ClientError> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}{}", self.base, ask.path));
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let broken = |error| self.broken(error, ask.wait);
        let request = request.body(body).map_err(|error| broken(error.into()))?;
        let request = self.agent.configure_request(request);
        let request = request.timeout_recv_response(Some(ask.wait)).build();
        let mut answer = self.agent.run(request).map_err(broken)?;
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_vec()
            .map_err(broken)?;
        self.understood(ask.path, &answer, &bytes)
    }

    /// JSON of a success, or the problem.
    fn understood<T>(
        &self,
        path: &str,
        answer: &Response<T>,
        bytes: &[u8],
    ) -> Result<Value, ClientError> {
        let foreign = |_| self.foreign(path, answer.status().as_u16());
        if !answer.status().is_success() {
            let problem: Problem = serde_json::from_slice(bytes).map_err(foreign)?;
            let context = Context {
                model: path.strip_prefix("/admin/models/").map(|rest| {
                    let end = rest.find(['/', '?']).unwrap_or(rest.len());
                    &rest[..end]
                }),
                flags: &self.flags,
                has_token: self.token.is_some(),
            };
            return Err(ClientError::Problem(Box::new(Refused {
                next: context.next(&problem.code),
                problem,
            })));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(bytes).map_err(foreign)
    }

    /// An answer as the type that it must be.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        value: Value,
    ) -> Result<(T, Value), ClientError> {
        let read = T::deserialize(&value).map_err(|_| self.foreign(path, 200))?;
        Ok((read, value))
    }

    fn foreign(&self, path: &str, status: u16) -> ClientError {
        ClientError::Foreign {
            address: self.base.clone(),
            path: path.to_owned(),
            status,
        }
    }

    fn broken(&self, source: Error, wait: Duration) -> ClientError {
        let address = self.base.clone();
        match source {
            Error::Timeout(Timeout::RecvResponse | Timeout::RecvBody) => ClientError::Silent {
                address,
                seconds: wait.as_secs(),
            },
            Error::Io(error) if is_unreachable(error.kind()) => ClientError::Unreachable {
                address,
                source: Error::Io(error),
            },
            source @ (Error::Io(_)
            | Error::Protocol(_)
            | Error::Timeout(
                Timeout::PerWrite | Timeout::SendRequest | Timeout::SendBody,
            )) => ClientError::Broken { address, source },
            source => ClientError::Unreachable { address, source },
        }
    }
}

/// Whether a connection was never made.
fn is_unreachable(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(
        kind,
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::AddrNotAvailable
    )
}
