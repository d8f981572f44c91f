//! The measurement: steps, floor and server in turns, so that what else the machine does falls on all of them.

use std::time::Duration;

use super::{
    alone::{Alone, Steps},
    house::House,
    load::{self, Load},
    progress::Progress,
    subject::Subject,
};
use crate::cli::child::Server;

/// Of every step in every round; shorter runs scatter, longer ones only take longer.
const SLICE: Duration = Duration::from_millis(60);

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Kept connections, each with one request on its way.
    pub connections: usize,
    /// Of each load.
    pub time: Duration,
    /// Alternations.
    pub rounds: usize,
}

/// One alternation.
pub struct Round {
    /// The steps in process.
    pub alone: Alone,
    /// The floor under load.
    pub floor: Load,
    /// The server under load.
    pub server: Load,
}

/// Measures as many rounds as `extent` says.
///
/// # Errors
/// The first that any of them meets.
pub fn measure(
    house: &House,
    subject: &Subject,
    steps: &mut Steps,
    extent: &Extent,
) -> anyhow::Result<Vec<Round>> {
    let request = load::request("/predict", subject.content_type()?, &subject.picture);
    let load = |server: &Server| {
        let (connections, time) = (extent.connections, extent.time);
        load::run(server, &request, connections, time, None, &|_| Ok(()))
    };
    let mut progress = Progress::new(3 * extent.rounds);
    let mut say = |round: usize, what: &str| {
        progress.next(&format!("round {} of {}: {what}", round + 1, extent.rounds));
    };
    let round = |index| {
        say(index, "each step alone");
        let alone = steps.measure(SLICE)?;
        say(index, "HTTP alone under load");
        let floor = load(&house.floor)?;
        say(index, "the server under load");
        let server = load(&house.server)?;
        Ok(Round {
            alone,
            floor,
            server,
        })
    };
    (0..extent.rounds).map(round).collect()
}
