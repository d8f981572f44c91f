//! The accept loop: a limit on connections, limits on slow peers, and a drain with a time limit.
//!
//! `axum::serve` holds half-sent headers for ever and waits without limit for half-sent bodies during a shutdown; so
//! this is a separate loop over hyper's connections.

pub(crate) mod answer;
mod chunks;
pub(crate) mod connection;
mod descriptors;
mod frames;
mod gate;
pub(crate) mod head;
mod look;
mod one;
mod sent;
mod streams;

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{rt::TokioTimer, server::conn::auto};
use prometheus::{IntCounter, IntCounterVec, IntGauge};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{AbortHandle, Id, JoinSet},
};

use super::{layers::Routes, peer::Peer};
use connection::Connection;
use one::One;
use stillhouse_metrics::Metrics;
use stillhouse_serving::Budget;
use streams::Streams;

pub use descriptors::{DescriptorError, Descriptors};
pub use head::HeadError;

/// What hyper buffers of one connection, in each direction: room for the longest head. Kept small, since it isn't part of
/// the budget.
const BUFFER_BYTES: usize = 2 * head::MAX_HEAD_BYTES;

/// Connections that were ended and still have their descriptor, at most: descriptors are counted.
const ENDING: usize = 16;

/// Streams of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 128;

/// What one HTTP/2 connection, and one stream of it, may send without being asked for more.
const HTTP2_WINDOW_BYTES: u32 = 256 << 10;

/// Headers of one HTTP/2 request.
const HTTP2_HEADER_BYTES: u32 = 16 << 10;

/// Limits of one listener's connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionSettings {
    /// Connections of the data listener at a time. A new one above this limit takes the place of the one that has been
    /// idle for the longest time; if none is idle, it is closed immediately.
    pub max_connections: usize,
    /// The same for the admin listener.
    pub max_admin_connections: usize,
    /// Seconds within which a request's head must be complete; also ends connections without requests.
    pub header_timeout_seconds: u64,
    /// Seconds within which a peer must read each piece of an answer, else the connection is closed; over HTTP/2, its stream.
    pub write_timeout_seconds: u64,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_admin_connections: 64,
            header_timeout_seconds: 10,
            write_timeout_seconds: 20,
        }
    }
}

impl ConnectionSettings {
    fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }
}

/// Counters of one listener.
#[derive(Clone)]
pub struct ConnectionMetrics {
    open: IntGauge,
    refused: IntCounter,
    accept_errors: IntCounter,
    cut: [IntCounter; 3],
}

/// Why the server ends a connection.
#[derive(Clone, Copy)]
enum Cut {
    Idle,
    Unread,
    MadeRoom,
}

impl ConnectionMetrics {
    /// Registers the families and creates one set of handles per listener, in the order of `listeners`.
    pub fn new<const N: usize>(metrics: &Metrics, listeners: [&str; N]) -> [Self; N] {
        let of = &["listener"];
        let open = metrics.gauges("connections", "Connections open now.", of);
        let refused = metrics.counters(
            "connections_refused_total",
            "Connections closed immediately because as many as allowed were open and none of them was idle.",
            of,
        );
        let accept_errors = metrics.counters(
            "accept_errors_total",
            "Failed accepts, e.g. because there are no free file descriptors.",
            of,
        );
        let cut: IntCounterVec = metrics.counters(
            "connections_cut_total",
            "Connections that the server ended: idle, with an unread answer, or idle when a new one needed their place (made_room).",
            &["listener", "reason"],
        );
        listeners.map(|listener| Self {
            open: open.with_label_values(&[listener]),
            refused: refused.with_label_values(&[listener]),
            accept_errors: accept_errors.with_label_values(&[listener]),
            cut: ["idle", "unread", "made_room"]
                .map(|reason| cut.with_label_values(&[listener, reason])),
        })
    }

    fn cut(&self, why: Cut) {
        self.cut[why as usize].inc();
    }
}

/// A bound socket with everything that its connections need.
pub struct Listener {
    /// The socket.
    pub socket: std::net::TcpListener,
    /// The limits of its connections.
    pub settings: ConnectionSettings,
    /// Its counters.
    pub metrics: ConnectionMetrics,
    /// Its own limit of connections.
    pub max_connections: usize,
    /// The memory that its requests share.
    pub budget: Arc<Budget>,
    /// The routes that answer.
    pub routes: Routes,
}

/// The open connections of a listener.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    known: HashMap<Id, (Arc<Connection>, AbortHandle)>,
}

impl Open {
    /// Removes those that have ended; completes when one has.
    async fn ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.known.remove(&id);
        Some(())
    }

    /// Ends the connection that has been idle for the longest time.
    fn make_room(&mut self) -> bool {
        let idle = self.known.iter().filter(|(_, (one, _))| one.is_idle());
        let Some(id) = idle
            .min_by_key(|(_, (one, _))| one.last_use())
            .map(|(id, _)| *id)
        else {
            return false;
        };
        if let Some((_, task)) = self.known.remove(&id) {
            task.abort();
        }
        true
    }
}

impl Listener {
    /// The address in use; for port 0, with the port that the system chose.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` becomes true, then lets open connections finish for at most `drain`. Returns how many had to
    /// be closed.
    ///
    /// # Errors
    /// The socket can't be waited for.
    pub async fn serve(
        self,
        mut stop: watch::Receiver<bool>,
        drain: Duration,
    ) -> io::Result<usize> {
        let mut open = Open::default();
        let builder = Arc::new(self.connection_builder());
        let routes = Arc::new(self.routes.clone());
        // The runtime that serves is the one that waits for it.
        let socket = TcpListener::from_std(self.socket.try_clone()?)?;
        let stopped = stop.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(()) = open.ended() => continue,
                accepted = socket.accept() => accepted,
            };
            // The failpoint is for one port, so that a test doesn't disturb others in its process.
            fail::fail_point!(&*format!(
                "listener::accepted::{}",
                self.address().map_or(0, |at| at.port())
            ));
            let (stream, peer) = match accepted {
                Ok((stream, address)) => (stream, Peer(address.ip())),
                Err(error) => {
                    self.back_off(&error).await;
                    continue;
                }
            };
            if open.known.len() >= self.max_connections {
                if open.tasks.len() >= self.max_connections + ENDING || !open.make_room() {
                    self.metrics.refused.inc();
                    continue;
                }
                self.metrics.cut(Cut::MadeRoom);
            }
            let connection = Connection::new(self.budget.account(), peer);
            let one = One {
                connection: connection.clone(),
                routes: routes.clone(),
                builder: builder.clone(),
                settings: self.settings.clone(),
                metrics: self.metrics.clone(),
                stop: stopped.clone(),
            };
            let task = open.tasks.spawn(one.serve(stream));
            open.known.insert(task.id(), (connection, task));
        }
        drop((socket, self.socket));
        let all = async { while open.ended().await.is_some() {} };
        let _ = tokio::time::timeout(drain, all).await;
        while open.tasks.try_join_next().is_some() {}
        let cut = open.tasks.len();
        open.tasks.shutdown().await;
        Ok(cut)
    }

    /// Like [`Listener::serve`], on a thread and a runtime of its own: whatever the process's other requests do, these are
    /// answered as soon as the system gives the thread a core.
    ///
    /// # Errors
    /// The thread, or its runtime, can't be started.
    pub async fn serve_apart(
        self,
        name: &str,
        stop: watch::Receiver<bool>,
        drain: Duration,
    ) -> io::Result<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (result, served) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let cut = runtime.block_on(self.serve(stop, drain));
                // Work that an order has begun on a thread must not keep the process from ending.
                runtime.shutdown_background();
                let _ = result.send(cut);
            })?;
        served.await.expect("the listener's thread doesn't panic")
    }

    fn connection_builder(&self) -> auto::Builder<Streams> {
        let mut builder = auto::Builder::new(Streams {
            limit: self.settings.write_timeout(),
            metrics: self.routes.metrics().clone(),
        });
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(BUFFER_BYTES)
            // The gate ends slow heads, and `Looks` idle connections: this would end both without a word.
            .header_read_timeout(3 * self.settings.header_timeout());
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.settings.header_timeout())
            .keep_alive_timeout(self.settings.header_timeout())
            .initial_connection_window_size(HTTP2_WINDOW_BYTES)
            .initial_stream_window_size(HTTP2_WINDOW_BYTES)
            .max_header_list_size(HTTP2_HEADER_BYTES)
            .max_send_buf_size(BUFFER_BYTES)
            .max_concurrent_streams(MAX_STREAMS);
        builder
    }

    /// Errors of one connection are skipped; others, e.g. no free descriptors, pass with time, so the loop pauses
    /// first.
    async fn back_off(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            return;
        }
        self.metrics.accept_errors.inc();
        tracing::warn!(%error, "accept failed; pausing for 100 ms");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
