//! Measures what a prediction costs at least on this machine, beside what the server spends on it.
//!
//! Every step is measured with the server's own functions: decoding to JSON in this process, HTTP by a server of the same
//! routes and layers that answers with a constant, then the real server with the same picture under the same load. Both
//! servers are child processes, whose CPU time is read from the kernel; the load generator's CPU time is not part of it.

mod clock;
mod progress;
pub mod report;
pub mod rounds;
pub mod servers;
pub mod steps;
pub mod subject;
pub mod waterfall;

use std::path::Path;

use stillhouse::config::Config;

use report::Report;
use rounds::Extent;
use servers::MeasuredServers;
use steps::Steps;
use subject::Subject;

/// Starts both servers as children that run `program`, which is this crate's own binary, and measures.
///
/// # Errors
/// A server that doesn't start, a network that fails, an answer that isn't 200.
pub fn report(
    program: &Path,
    config: &Config,
    subject: &Subject,
    extent: &Extent,
) -> anyhow::Result<Report> {
    let servers = MeasuredServers::start(program, config, subject)?;
    report_of(&servers, config, subject, extent)
}

/// Measures with servers that run already.
///
/// # Errors
/// Like [`report()`].
pub fn report_of(
    servers: &MeasuredServers,
    config: &Config,
    subject: &Subject,
    extent: &Extent,
) -> anyhow::Result<Report> {
    let own = config.models.get(subject.files.model.as_str());
    let engine = own.and_then(|own| own.engine.as_ref());
    let options = engine.unwrap_or(&config.engine).resolve()?;
    let mut steps = Steps::new(
        subject,
        &options,
        config.image.clone(),
        servers.serving.sizes.clone(),
        servers.observed.clone(),
    )?;
    let rounds = rounds::measure(servers, subject, &mut steps, extent)?;
    Report::new(subject, &servers.serving, extent, &rounds)
}
