//! The floor: the server's own listener and decoder, a constant for an answer.

use std::{io::Write, sync::Arc};

use axum::{Router, body::Bytes, extract::State, routing::post};
use stillhouse::{
    http::listener::{ConnectionMetrics, ConnectionSettings, Listener},
    image::{Input, Limits, Normalization, Transform, decode},
    metrics::Metrics,
};
use stillhouse_engine::Sample;
use tokio::{net::TcpListener, sync::watch};

use super::network;

struct Floor {
    transform: Transform,
    normalization: Arc<Normalization>,
}

/// Serves on a free port, whose address is the first line printed, until killed.
pub fn serve() -> anyhow::Result<()> {
    let transform = network::transform();
    let floor = Arc::new(Floor {
        normalization: Arc::new(Normalization::new(&transform)?),
        transform,
    });
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let [metrics] = ConnectionMetrics::new(&Metrics::new(), ["floor"]);
            let listener = Listener {
                socket: TcpListener::bind("127.0.0.1:0").await?,
                settings: ConnectionSettings::default(),
                metrics,
                router: Router::new()
                    .route("/floor", post(answer))
                    .with_state(floor),
            };
            println!("http://{}", listener.address()?);
            std::io::stdout().flush()?;
            let (_keep, never) = watch::channel(false);
            listener.serve(never, std::time::Duration::ZERO).await;
            Ok(())
        })
}

/// As long an answer as the server's, with a number that depends on every pixel.
async fn answer(State(floor): State<Arc<Floor>>, body: Bytes) -> String {
    let picture = decode(&body, &Limits::default(), &floor.transform).expect("our own picture");
    let input = Input::Pixels {
        pixels: floor.transform.apply(picture),
        normalization: floor.normalization.clone(),
    };
    let mut row = [0.0; 784];
    input.write(&mut row);
    let sum: f32 = row.iter().sum();
    format!("{sum:020.6}{}", "x".repeat(500))
}
