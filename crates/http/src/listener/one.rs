//! One accepted connection, from its first byte to its end.

use std::{pin::pin, sync::Arc};

use hyper::service::service_fn;
use hyper_util::{rt::TokioIo, server::conn::auto};
use prometheus::IntGauge;
use tokio::{net::TcpStream, sync::watch, time::Instant};

use super::{
    ConnectionMetrics, ConnectionSettings, Cut,
    connection::Connection,
    gate::Gate,
    look::{Looks, Sight},
    streams::Streams,
};
use crate::layers::Routes;

/// One accepted connection.
pub(super) struct One {
    pub(super) connection: Arc<Connection>,
    pub(super) routes: Arc<Routes>,
    pub(super) builder: Arc<auto::Builder<Streams>>,
    pub(super) settings: ConnectionSettings,
    pub(super) metrics: ConnectionMetrics,
    pub(super) stop: watch::Receiver<bool>,
}

impl One {
    /// Answers its requests until it ends, is stopped, or is cut.
    pub(super) async fn serve(self, stream: TcpStream) {
        let Self {
            connection,
            routes,
            builder,
            settings,
            metrics,
            mut stop,
        } = self;
        let _open = Counted::new(&metrics.open);
        // An answer is one small write: waiting for more data would only add the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let gate = Gate::new(
            stream,
            connection.clone(),
            settings.header_timeout(),
            // `Looks` ends what leaves an answer unread; this is for what isn't an answer.
            2 * settings.write_timeout(),
            routes.metrics().clone(),
        );
        let mut looks = Looks::new(connection.clone(), &settings);
        let service = service_fn(move |request| {
            let (routes, connection) = (routes.clone(), connection.clone());
            async move { routes.answer(&connection, request).await }
        });
        let mut served = pin!(builder.serve_connection(TokioIo::new(gate), service));
        let mut next = pin!(looks.next());
        let (mut stopping, mut ending) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    }
                    return;
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    served.as_mut().graceful_shutdown();
                }
                () = next.as_mut() => {
                    match looks.look(Instant::now()) {
                        Sight::Well => ending = false,
                        Sight::Unread => return metrics.cut(Cut::Unread),
                        // It is asked to close first; a peer that doesn't close is cut at the next look.
                        Sight::Idle if ending => return metrics.cut(Cut::Idle),
                        Sight::Idle => {
                            ending = true;
                            served.as_mut().graceful_shutdown();
                        }
                    }
                    next.set(looks.next());
                }
            }
        }
    }
}

/// Counts a connection as open until it ends, however it ends.
struct Counted(IntGauge);

impl Counted {
    fn new(open: &IntGauge) -> Self {
        open.inc();
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
