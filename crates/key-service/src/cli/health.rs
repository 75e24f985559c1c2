//! `latchkey health`: whether a running service is ready, for probes that run a command.

use std::time::Duration;

use clap::Args;
use http::StatusCode;
use latchkey_elastic::TimeValue;

use crate::cli::CommandFailed;
use crate::cli::connection::PlaceArguments;
use crate::cli::report::{harmless, text, write_out};

#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    place: PlaceArguments,
}

pub(super) fn run(arguments: &HealthArguments) -> Result<(), CommandFailed> {
    let service = arguments.place.open()?;
    let (status, answer) = service.probe("/healthz", arguments.timeout)?;
    match (status, text(&answer, "status")) {
        (_, told) if told.is_empty() => Err(CommandFailed::new(format!(
            "{} answers {status}, and not as a key service does",
            service.place()
        ))),
        (StatusCode::OK, told) => write_out(format!("{}\n", harmless(&told)).as_bytes()),
        (_, told) => {
            Err(CommandFailed::new(format!("{} is not ready: {}", service.place(), harmless(&told))))
        }
    }
}

fn duration(argument: &str) -> Result<Duration, String> {
    let wait = TimeValue::parse(argument, "timeout").map(|wait| wait.to_duration());
    match wait {
        Ok(wait) if !wait.is_zero() => Ok(wait),
        _ => Err("must be a whole number and one of the units ms, s and m, such as 5s".to_owned()),
    }
}
