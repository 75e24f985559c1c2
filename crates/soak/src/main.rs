//! The command of the soak.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use latchkey_soak::{Plan, run};

/// Requests and changes for an hour, each answer held against a model.
#[derive(Parser)]
struct Arguments {
    /// Ten minutes.
    #[arg(long)]
    quick: bool,
    /// So many seconds.
    #[arg(long, conflicts_with = "quick")]
    seconds: Option<u64>,
    /// Repeats the choices of an earlier run. What happens when does not repeat.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments { quick, seconds, seed } = Arguments::parse();
    let plan = match seconds {
        Some(seconds) => Plan::of_an_hour().lasting(Duration::from_secs(seconds)),
        None if quick => Plan::quick(),
        None => Plan::of_an_hour(),
    };
    match run(&plan, seed.unwrap_or_else(any_seed)) {
        Ok(complaints) if complaints.is_empty() => {
            eprintln!("soak: every answer was right, and nothing grew");
            ExitCode::SUCCESS
        }
        Ok(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("soak: {complaint}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn any_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
