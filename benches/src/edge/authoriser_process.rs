//! The authoriser as a process of its own, so that its processor time can be told apart.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use latchkey_local_stack::child_process::ChildProcess;
use latchkey_local_stack::wait;
use tempfile::TempDir;

use crate::key_set::KeySet;

/// A running authoriser; dropping it ends it.
#[derive(Debug)]
pub struct AuthoriserProcess {
    process: ChildProcess,
    address: SocketAddr,
    _directory: TempDir,
}

impl AuthoriserProcess {
    /// Starts the one that lies beside this program, knowing `keys`.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub fn start(keys: KeySet) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = std::env::current_exe()?.with_file_name("authoriser");
        let mut command = Command::new(program);
        command.arg(keys.count.to_string());
        let mut process = ChildProcess::start("authoriser", command, directory.path())?;
        let address = wait::until("the authoriser listens", || {
            if let Some(status) = process.ended()? {
                bail!("the authoriser ended ({status}): {}", process.log().stderr());
            }
            Ok(process.log().stdout().trim().parse().ok())
        })
        .context("starting the authoriser")?;
        Ok(Self { process, address, _directory: directory })
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens, for HTTP/1.1 and for gRPC.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
