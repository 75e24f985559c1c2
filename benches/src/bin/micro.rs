//! Runs one of the pure parts so many times, for valgrind to count its instructions: `micro CASE TIMES`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use latchkey_benches::micro::Case;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("micro: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("which case?")?;
    let times: u32 = arguments.next().context("how many times?")?.parse()?;
    let case = Case::named(&name)?;
    for _ in 0..times {
        (case.run)();
    }
    Ok(())
}
