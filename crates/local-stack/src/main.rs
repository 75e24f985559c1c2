//! `local-stack`: the demo, a stack to try by hand, and measurements of the key service.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use latchkey_local_stack::acknowledgement::AcknowledgementTimes;
use latchkey_local_stack::demo;
use latchkey_local_stack::output::{self, Output};
use latchkey_local_stack::playground::Playground;
use latchkey_local_stack::postgres::{self, PostgresServer};
use latchkey_local_stack::stack::{LocalStack, Ports, StackOptions};
use latchkey_local_stack::upstream::Upstream;

/// A real Envoy, the key service and an upstream on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Tell the story of a key, from its creation to its revocation, with real requests.
    Demo,
    /// Keep everything up until Ctrl-C, with a key to try.
    Run,
    /// Keep only an upstream up, which answers with the request that reached it.
    Upstream {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
    },
    /// Run a command with a PostgreSQL server of its own, whose URL is in LATCHKEY_TEST_DATABASE.
    Postgres {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// Measure the time of an invalidation that is answered when every edge has applied it.
    Acknowledgement {
        /// How many keys to invalidate.
        #[arg(long, default_value_t = 20)]
        runs: usize,
        /// How many Envoys follow.
        #[arg(long, default_value_t = 2)]
        edges: usize,
        /// Print JSON instead of a sentence.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            if !output::is_closed(&error) {
                eprintln!("local-stack: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<ExitCode> {
    // Colours reach a terminal and nothing else.
    let mut out = Output(anstream::stdout().lock());
    match verb {
        Verb::Postgres { command } => return run_with_postgres(&command),
        Verb::Demo => demo::run(&mut out, Ports::well_known())?,
        Verb::Run => {
            let playground = Playground::start(Ports::well_known())?;
            playground.introduce(&mut out)?;
            wait_for_ctrl_c()?;
        }
        Verb::Upstream { listen } => {
            let upstream = Upstream::start(listen)?;
            writeln!(out, "upstream at http://{} (Ctrl-C ends it)", upstream.address())?;
            wait_for_ctrl_c()?;
        }
        Verb::Acknowledgement { runs, edges, json } => {
            let stack = LocalStack::start(StackOptions::default(), |config| config.set_edge("edge-1"))?;
            let times = AcknowledgementTimes::measure(&stack, edges, runs)?;
            if json { writeln!(out, "{}", times.as_json())? } else { writeln!(out, "{}", times.in_words())? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends as the command ends. A database that the variable names already is used as it is.
fn run_with_postgres(command: &[OsString]) -> Result<ExitCode> {
    let Some((program, arguments)) = command.split_first() else { bail!("which command?") };
    let mut command = Command::new(program);
    command.args(arguments);
    let server = match std::env::var_os(postgres::DATABASE_VARIABLE) {
        Some(_) => None,
        None => Some(PostgresServer::start()?),
    };
    if let Some(server) = &server {
        command.env(postgres::DATABASE_VARIABLE, server.url());
    }
    let status = command.status().with_context(|| format!("running {}", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wait_for_ctrl_c() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokio::signal::ctrl_c())?)
}
