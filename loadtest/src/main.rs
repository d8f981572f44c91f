//! `stillhouse-loadtest`: sends load to a server over HTTP, checks the responses and reports what it measured. It knows
//! nothing of the server but its URLs.
//!
//! | module | content |
//! |--------|---------|
//! | `cli` | command-line arguments; what each subcommand does |
//! | `scenario`, `admin_client` | scenario files in TOML; sending their requests to the admin API |
//! | `find_max`, `search` | the highest rate that meets an objective; which rate to try next (pure) |
//! | `preflight` | one request before the load starts |
//! | `report`, `expect`, `text_table` | the report as table, JSON and plot; the run's expectations (pure); table style |
//! | `generator`, `run_progress` | threads and connections, recording each response; what they share during a run |
//! | `plan` | phases, when requests are due (pure), what an idle connection does next (pure) |
//! | `client` | HTTP/1.1 written by hand, HTTP/2 by hyper |
//! | `tally`, `answer`, `consistency` | counts and histograms; parsing an answer; whether answers contradict each other |
//! | `pictures`, `quantity`, `clock`, `progress` | request bodies and labels; durations and shares; time; the progress line |

mod admin_client;
mod answer;
mod cli;
mod client;
mod clock;
mod consistency;
mod expect;
mod find_max;
mod generator;
mod pictures;
mod plan;
mod preflight;
mod progress;
mod quantity;
mod report;
mod run_progress;
mod scenario;
mod search;
mod tally;
mod text_table;

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
