//! `authoriser KEYS`: the authoriser that `bench` puts behind `ext_authz`, knowing that many keys. It prints
//! where it listens.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use latchkey_benches::authoriser;
use latchkey_benches::key_set::KeySet;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("authoriser: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let count = std::env::args().nth(1).and_then(|argument| argument.parse().ok());
    let keys = KeySet { count: count.context("how many keys?")? };
    // Everything but Envoy's worker shares a core here, and a second thread would only get in the way.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(authoriser::serve(keys, |address| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{address}")?;
        Ok(out.flush()?)
    }))
}
