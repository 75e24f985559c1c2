//! Several replicas of the key service on one PostgreSQL, each of which can be killed and started again.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::child_process::{ChildProcess, ProcessLog};
use crate::key_service::KeyServiceClient;
use crate::postgres::PostgresServer;
use crate::scratch_directory::ScratchDirectory;
use crate::{places, users_file, wait};

/// A database, and replicas on it. Dropping them ends all and removes the data.
#[derive(Debug)]
pub struct Replicas {
    /// What they share.
    pub database: PostgresServer,
    /// A standby of it, which they know as well.
    pub standby: Option<PostgresServer>,
    /// Both, as a connection URI.
    url: String,
    replicas: Vec<Replica>,
    directory: ScratchDirectory,
}

#[derive(Debug)]
struct Replica {
    process: ChildProcess,
    client: KeyServiceClient,
}

impl Replicas {
    /// Starts a database and `count` replicas, all at once, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// When one does not start; the message holds its log.
    pub fn start(count: usize) -> Result<Self> {
        Self::start_on(PostgresServer::start()?, count)
    }

    /// The same on a database that runs already.
    ///
    /// # Errors
    ///
    /// When a replica does not start; the message holds its log.
    pub fn start_on(database: PostgresServer, count: usize) -> Result<Self> {
        let url = database.url();
        Self::start_at(url, database, None, count)
    }

    /// The same on a database with a standby, for which each commit waits. The replicas know both servers.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub fn start_with_standby(count: usize) -> Result<Self> {
        let database = PostgresServer::start()?;
        let standby = database.start_standby()?;
        database.wait_for_standby()?;
        Self::start_at(database.url_with(&standby), database, Some(standby), count)
    }

    fn start_at(
        url: String,
        database: PostgresServer,
        standby: Option<PostgresServer>,
        count: usize,
    ) -> Result<Self> {
        let directory = ScratchDirectory::new("latchkey-replicas-")?;
        users_file::write(&directory.path().join("users.toml"))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let spawned: Vec<ChildProcess> = (0..count)
            .map(|number| spawned(number, nowhere, &url, directory.path()))
            .collect::<Result<_>>()?;
        let replicas = spawned.into_iter().map(|mut process| {
            let address = readiness(&mut process, 0)?;
            Ok(Replica {
                process,
                client: KeyServiceClient::of_user(address, users_file::USER, users_file::PASSWORD),
            })
        });
        let replicas = replicas.collect::<Result<_>>()?;
        Ok(Self { database, standby, url, replicas, directory })
    }

    /// Somebody who asks one replica and may do everything; `None` when there is no such replica.
    #[must_use]
    pub fn client(&self, number: usize) -> Option<&KeyServiceClient> {
        self.replicas.get(number).map(|replica| &replica.client)
    }

    /// Where the replicas listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| replica.client.address()).collect()
    }

    /// The process of a replica.
    #[must_use]
    pub fn id(&self, number: usize) -> Option<u32> {
        self.replicas.get(number).map(|replica| replica.process.id())
    }

    /// What a replica has logged.
    #[must_use]
    pub fn log(&self, number: usize) -> Option<&ProcessLog> {
        self.replicas.get(number).map(|replica| replica.process.log())
    }

    /// Kills a replica as a crash would, and starts it again where it was.
    ///
    /// # Errors
    ///
    /// When it does not become ready.
    pub fn crash(&mut self, number: usize) -> Result<()> {
        let replica = self.replicas.get_mut(number).context("no such replica")?;
        replica.process.kill();
        let earlier = replica.process.log().stderr().len();
        replica.process = spawned(number, replica.client.address(), &self.url, self.directory.path())?;
        readiness(&mut replica.process, earlier).map(|_| ())
    }
}

fn spawned(number: usize, listen: SocketAddr, database: &str, directory: &Path) -> Result<ChildProcess> {
    let name = format!("replica-{number}");
    let config = directory.join(format!("{name}.toml"));
    fs::write(&config, format!("users = \"users.toml\"\n[store]\nurl = \"{database}\"\n"))?;
    let mut command = Command::new(places::latchkey()?);
    command.args(["serve", "--listen", &listen.to_string(), "--config"]).arg(config);
    ChildProcess::start(&name, command, directory)
}

/// The address that a replica logs once it takes requests, leaving out the first `earlier` bytes, which are
/// of an earlier start.
fn readiness(process: &mut ChildProcess, earlier: usize) -> Result<SocketAddr> {
    wait::until("a replica is ready", || {
        if let Some(status) = process.ended()? {
            bail!("a replica ended ({status}):\n{}", process.log().tail_since(Default::default()));
        }
        let logged = process.log().stderr();
        let ready = logged.get(earlier..).unwrap_or_default().lines().find_map(|line| {
            let (_, rest) = line.split_once("ready url=http://")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        Ok(ready)
    })
}
