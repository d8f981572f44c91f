//! The pure steps of a prediction, in time: `cargo bench --bench path [-- NAME]`.
//!
//! For instructions, which a noisy machine doesn't change: `make instructions` (benches/instructions.rs).

#[path = "path/network.rs"]
mod network;
#[path = "path/pieces.rs"]
mod pieces;
#[path = "path/slot.rs"]
mod slot;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, ready) in pieces::PIECES {
        let mut call = ready();
        criterion.bench_function(name, |bench| bench.iter(&mut call));
    }
    criterion.final_summary();
}
