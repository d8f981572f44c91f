//! `stillhouse-loadtest`: drives a server over HTTP and says what came of it. It knows nothing of the server but its URLs.
//!
//! | room | what for |
//! |------|----------|
//! | `cli` | flags become a job and a plan; what each verb does |
//! | `scenario`, `operator` | TOML with phases and orders; orders carried out over the admin API |
//! | `find_max`, `search` | the highest rate that meets an objective; where to look next (pure) |
//! | `preflight` | one request before a million |
//! | `report`, `expect` | table, JSON, plot; what had to be shown (pure) |
//! | `generator` | threads, connections, and what is booked of each answer |
//! | `plan` | phases, when requests are due (pure), what a free connection does (pure) |
//! | `client` | HTTP/1.1 by hand, HTTP/2 by hyper |
//! | `tally`, `witness`, `answer` | counts and histograms; what answers say, and whether it can all be true |
//! | `pictures`, `quantity`, `clock`, `progress` | bodies and labels; durations and shares; time; the line on a terminal |

mod answer;
mod cli;
mod client;
mod clock;
mod expect;
mod find_max;
mod generator;
mod operator;
mod pictures;
mod plan;
mod preflight;
mod progress;
mod quantity;
mod report;
mod scenario;
mod search;
mod tally;
mod witness;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stillhouse-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
