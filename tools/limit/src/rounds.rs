//! The measurement: steps, HTTP floor and server in turns, so that other load on the machine affects all of them alike.

use std::time::Duration;

use stillhouse_child_server::{
    Server,
    load::{self, Load},
};

use crate::{
    progress::Progress,
    servers::MeasuredServers,
    steps::{StepCosts, Steps},
    subject::Subject,
};

/// Time for every step in every round; shorter runs scatter, longer ones aren't more accurate.
const SLICE: Duration = Duration::from_millis(60);

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Kept-alive connections, each with one request at a time.
    pub connections: usize,
    /// Duration of each load.
    pub time: Duration,
    /// Number of rounds.
    pub rounds: usize,
}

/// One round.
pub struct Round {
    /// The steps in this process.
    pub steps: StepCosts,
    /// The floor under load.
    pub floor: Load,
    /// The server under load.
    pub server: Load,
}

/// Measures the number of rounds in `extent`.
///
/// # Errors
/// The first failure of a step or a load.
pub fn measure(
    servers: &MeasuredServers,
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
        let costs = steps.measure(SLICE)?;
        say(index, "HTTP alone under load");
        let floor = load(&servers.floor)?;
        say(index, "the server under load");
        let server = load(&servers.server)?;
        Ok(Round {
            steps: costs,
            floor,
            server,
        })
    };
    (0..extent.rounds).map(round).collect()
}
