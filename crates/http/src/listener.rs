//! The accept loop: a cap on connections, limits on slow peers, and a drain with a time limit.
//!
//! `axum::serve` holds half-sent headers for ever and waits without limit for half-sent bodies during a shutdown; so
//! this is a separate loop over hyper's connections.

mod guarded;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use prometheus::{IntCounter, IntGauge};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tower::ServiceExt;

use super::{drain::Drained, peer::Peer};
use guarded::Guarded;
use stillhouse_metrics::Metrics;

/// Limits of one listener's connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionSettings {
    /// Connections at a time; a new one above this limit is closed immediately.
    pub max_connections: usize,
    /// Seconds within which a request's head must be complete; also ends idle connections.
    pub header_timeout_seconds: u64,
    /// Seconds for which a peer may leave the answer unread before the connection is closed.
    pub write_timeout_seconds: u64,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout_seconds: 10,
            write_timeout_seconds: 20,
        }
    }
}

/// Counters of one listener.
#[derive(Clone)]
pub struct ConnectionMetrics {
    open: IntGauge,
    refused: IntCounter,
    accept_errors: IntCounter,
}

impl ConnectionMetrics {
    /// Registers the families and creates one set of handles per listener, in the order of `listeners`.
    pub fn new<const N: usize>(metrics: &Metrics, listeners: [&str; N]) -> [Self; N] {
        let of = &["listener"];
        let open = metrics.gauges("connections", "Connections open now.", of);
        let refused = metrics.counters(
            "connections_refused_total",
            "Connections closed immediately because max_connections were open.",
            of,
        );
        let accept_errors = metrics.counters(
            "accept_errors_total",
            "Failed accepts, e.g. because there are no free file descriptors.",
            of,
        );
        listeners.map(|listener| Self {
            open: open.with_label_values(&[listener]),
            refused: refused.with_label_values(&[listener]),
            accept_errors: accept_errors.with_label_values(&[listener]),
        })
    }
}

/// A bound socket with everything that its connections need.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// The limits of its connections.
    pub settings: ConnectionSettings,
    /// Its counters.
    pub metrics: ConnectionMetrics,
    /// The routes that answer.
    pub router: Router,
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
    pub async fn serve(self, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
        let permits = Arc::new(Semaphore::new(self.settings.max_connections));
        let graceful = GracefulShutdown::new();
        let builder = Arc::new(self.connection_builder());
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.socket.accept() => accepted,
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
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                self.metrics.refused.inc();
                continue;
            };
            self.metrics.open.inc();
            let io = TokioIo::new(self.guard(stream));
            let router = self.router.clone().into_service::<Drained>();
            let service = TowerToHyperService::new(router.map_request(move |request| {
                let mut request = Drained::wrap(request);
                request.extensions_mut().insert(peer);
                request
            }));
            let builder = builder.clone();
            let open = self.metrics.open.clone();
            let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
            connections.spawn(async move {
                let _open = scopeguard(open);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
                drop(permit);
            });
        }
        drop(self.socket);
        let _ = tokio::time::timeout(drain, graceful.shutdown()).await;
        while connections.try_join_next().is_some() {}
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }

    fn connection_builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.settings.header_timeout_seconds));
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(self.settings.header_timeout_seconds))
            .keep_alive_timeout(Duration::from_secs(self.settings.header_timeout_seconds))
            .max_concurrent_streams(256);
        builder
    }

    fn guard(&self, stream: TcpStream) -> Guarded<TcpStream> {
        // An answer is one small write: waiting for more data would only add the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        Guarded::new(
            stream,
            Duration::from_secs(self.settings.header_timeout_seconds),
            Duration::from_secs(self.settings.write_timeout_seconds),
        )
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

/// Counts a connection as closed, however it ends.
fn scopeguard(open: IntGauge) -> impl Drop {
    struct Open(IntGauge);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.dec();
        }
    }
    Open(open)
}
