//! Where the programs and files lie that a stack is made of.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Names an Envoy to use instead of the one that would be found.
const ENVOY_VARIABLE: &str = "ENVOY_PATH";

/// Names a key service to use instead of the one that this workspace builds.
const LATCHKEY_VARIABLE: &str = "LATCHKEY_PATH";

/// Names where Latchkey is installed, to use what is there instead of what this workspace builds.
const PREFIX_VARIABLE: &str = "LATCHKEY_PREFIX";

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// An Envoy: the one that `ENVOY_PATH` names, the one that `make tools` brought, one on the `PATH`, or
/// func-e's.
///
/// # Errors
///
/// When there is none; the message says what to do.
pub fn envoy() -> Result<PathBuf> {
    if let Some(named) = named_by(ENVOY_VARIABLE)? {
        return Ok(named);
    }
    let brought = repository().join(".tools/envoy");
    if brought.is_file() {
        return Ok(brought);
    }
    if let Some(found) = on_path("envoy") {
        return Ok(found);
    }
    if let Some(found) = func_e_which() {
        return Ok(found);
    }
    bail!("no Envoy here: run `make tools`, or name one in {ENVOY_VARIABLE}")
}

/// The key service: the one that `LATCHKEY_PATH` names, the one that is installed below `LATCHKEY_PREFIX`, or the
/// newest that this workspace has built.
///
/// # Errors
///
/// When there is none; the message says what to do.
pub fn latchkey() -> Result<PathBuf> {
    if let Some(named) = named_by(LATCHKEY_VARIABLE)? {
        return Ok(named);
    }
    if let Some(installed) = installed("bin/latchkey") {
        return Ok(installed);
    }
    let built = ["target/debug/latchkey", "target/release/latchkey"].map(|path| repository().join(path));
    match built.into_iter().filter(|path| path.is_file()).max_by_key(|path| modified(path)) {
        Some(newest) => Ok(newest),
        None => bail!("the key service is not built: run `make build`"),
    }
}

/// The directory of PostgreSQL's programs: where `make tools` brought them, where Debian keeps the newest, or
/// one on the `PATH`.
///
/// # Errors
///
/// When there is none; the message says what to do.
pub fn postgres_programs() -> Result<PathBuf> {
    let complete = |directory: &PathBuf| {
        ["initdb", "pg_isready", "postgres", "psql"].iter().all(|name| directory.join(name).is_file())
    };
    let brought = repository().join(".tools/postgres/bin");
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let found = [brought].into_iter().chain(debian_postgres()).chain(on_path.unwrap_or_default());
    match found.into_iter().find(complete) {
        Some(directory) => Ok(directory),
        None => bail!("no PostgreSQL here: run `make tools`"),
    }
}

/// Debian's directories, the newest version first.
fn debian_postgres() -> Vec<PathBuf> {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort_unstable_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, directory)| directory).collect()
}

/// The load generator wrk: the one that `tools/bring-load-generators` brought, or one on the `PATH`.
///
/// # Errors
///
/// When there is none; the message says what to do.
pub fn wrk() -> Result<PathBuf> {
    load_generator("wrk")
}

/// The load generator h2load, found as [`wrk`] is.
///
/// # Errors
///
/// When there is none; the message says what to do.
pub fn h2load() -> Result<PathBuf> {
    load_generator("h2load")
}

fn load_generator(name: &str) -> Result<PathBuf> {
    let brought = repository().join(".tools").join(name);
    match Some(brought).filter(|path| path.is_file()).or_else(|| on_path(name)) {
        Some(found) => Ok(found),
        None => bail!("no {name} here: run `tools/bring-load-generators`"),
    }
}

/// The filter as Envoy loads it: the one below `LATCHKEY_PREFIX`, or the one that this workspace has built.
#[must_use]
pub fn filter_module() -> PathBuf {
    installed("share/latchkey/latchkey-filter.wasm")
        .unwrap_or_else(|| repository().join("target/latchkey-filter.wasm"))
}

/// The filter as a native module, found likewise. Envoy finds it by the name between `lib` and `.so`.
#[must_use]
pub fn native_module() -> PathBuf {
    installed("lib/latchkey/liblatchkey_filter.so")
        .unwrap_or_else(|| repository().join("target/liblatchkey_filter.so"))
}

/// A file of an installation, if one is named. Whoever opens it says when it is not there.
fn installed(file: &str) -> Option<PathBuf> {
    std::env::var_os(PREFIX_VARIABLE).map(|prefix| PathBuf::from(prefix).join(file))
}

fn named_by(variable: &str) -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(None) };
    if named.is_file() {
        Ok(Some(named))
    } else {
        bail!("{variable} names {}, which is no file", named.display())
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn func_e_which() -> Option<PathBuf> {
    let answer = Command::new("func-e").arg("which").output().ok()?;
    let found = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    found.is_file().then_some(found)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
