//! `latchkey-trim-module IN OUT`: takes from a built filter what neither it nor the host uses
//! ([`latchkey_trim_module`]).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fmt, fs, io};

use latchkey_trim_module::trim::{InvalidModule, trim};

/// Why nothing was written.
enum Failure {
    Invalid(InvalidModule),
    Io(PathBuf, io::Error),
    Usage,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("latchkey-trim-module: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(Failure::Usage);
    };
    let built = fs::read(&from).map_err(|error| Failure::Io(from, error))?;
    let trimmed = trim(&built).map_err(Failure::Invalid)?;
    fs::write(&to, &trimmed).map_err(|error| Failure::Io(to.clone(), error))?;
    writeln!(io::stdout(), "{}: {} bytes, {} before", to.display(), trimmed.len(), built.len())
        .map_err(|error| Failure::Io(PathBuf::from("standard output"), error))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Usage => f.write_str("takes two arguments, the built module and the file to write"),
        }
    }
}
