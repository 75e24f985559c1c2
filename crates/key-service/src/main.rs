//! The command `latchkey`; all of it is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    latchkey_key_service::cli::run()
}
