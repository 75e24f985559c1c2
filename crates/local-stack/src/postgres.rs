//! A PostgreSQL server of one's own, in a temporary directory, that can be killed and started again.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::child_process::ChildProcess;
use crate::scratch_directory::ScratchDirectory;
use crate::{places, wait};

/// Names the PostgreSQL database that tests use: a connection URI.
pub const DATABASE_VARIABLE: &str = "LATCHKEY_TEST_DATABASE";

/// The super-user of the server, who needs no password from this machine.
const SUPER_USER: &str = "latchkey";

/// The database that every server has.
const DATABASE: &str = "postgres";

/// How a session that idles calls itself.
const IDLE_SESSION: &str = "idle";

/// How often a start is tried: a port that was free may be somebody else's by the time PostgreSQL wants it.
const START_TRIES: u32 = 3;

/// Users under whom the server runs when this program is the super-user, which PostgreSQL refuses to be.
const UNPRIVILEGED_USERS: [&str; 2] = ["postgres", "nobody"];

/// A running server; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct PostgresServer {
    process: ChildProcess,
    port: u16,
    programs: PathBuf,
    user: Option<SystemUser>,
    durability: Durability,
    directory: ScratchDirectory,
}

/// A session in whose transaction nothing goes on. Dropping it ends both.
#[derive(Debug)]
pub struct IdleSession(Child);

/// What a commit survives.
#[derive(Clone, Copy, Debug)]
enum Durability {
    /// The end of the machine.
    Disk,
    /// The end of the server's processes: the data is in the system's hands.
    Process,
}

/// Whom the server runs as.
#[derive(Clone, Copy, Debug)]
struct SystemUser {
    uid: u32,
    gid: u32,
}

impl PostgresServer {
    /// Makes a database cluster and starts its server on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// When there is no PostgreSQL here, or it does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(Durability::Process)
    }

    /// The same, with every commit on disk before it is acknowledged, as it is in production.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_durable() -> Result<Self> {
        Self::start_with(Durability::Disk)
    }

    fn start_with(durability: Durability) -> Result<Self> {
        let programs = places::postgres_programs()?;
        let directory = ScratchDirectory::new("latchkey-postgres-")?;
        let user = unprivileged_user(directory.path())?;
        let mut initdb = command_as(user, &programs.join("initdb"));
        initdb.arg("--pgdata").arg(directory.path().join("data"));
        initdb.args(["--username", SUPER_USER, "--auth", "trust", "--encoding", "UTF8", "--no-sync"]);
        initdb.args(["--no-locale", "--no-instructions"]);
        let made = initdb.output().context("running initdb")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        Self::start_in(directory, programs, user, durability)
    }

    /// Starts a standby that follows this server, with a copy of its data.
    ///
    /// # Errors
    ///
    /// When it cannot be copied, or the standby does not start.
    pub fn start_standby(&self) -> Result<Self> {
        let directory = ScratchDirectory::new("latchkey-postgres-")?;
        let user = unprivileged_user(directory.path())?;
        let mut copy = command_as(user, &self.programs.join("pg_basebackup"));
        copy.args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--username", SUPER_USER]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]);
        let copied = copy.arg(directory.path().join("data")).output().context("running pg_basebackup")?;
        ensure!(copied.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&copied.stderr));
        Self::start_in(directory, self.programs.clone(), user, self.durability)
    }

    /// Has a commit wait until a standby has it too.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub fn wait_for_standby(&self) -> Result<()> {
        self.run("alter system set synchronous_standby_names = '*'")?;
        self.run("select pg_reload_conf()")?;
        wait::until("a standby follows synchronously", || {
            let state = self.run("select sync_state from pg_stat_replication")?;
            Ok((state == "sync").then_some(()))
        })
    }

    /// Makes a standby the primary, and waits until it takes changes.
    ///
    /// # Errors
    ///
    /// When it does not become one.
    pub fn promote(&self) -> Result<()> {
        let promoted = self.run("select pg_promote()")?;
        ensure!(promoted == "t", "the standby was not promoted");
        Ok(())
    }

    /// Starts the server of a cluster that is in `directory`.
    fn start_in(
        directory: ScratchDirectory,
        programs: PathBuf,
        user: Option<SystemUser>,
        durability: Durability,
    ) -> Result<Self> {
        let port = free_port()?;
        let process = spawned(&programs, user, directory.path(), port, durability)?;
        let mut server = Self { process, port, programs, user, durability, directory };
        for _ in 1..START_TRIES {
            if server.await_readiness().is_ok() {
                return Ok(server);
            }
            server.port = free_port()?;
            server.spawn_again()?;
        }
        server.await_readiness()?;
        Ok(server)
    }

    /// Where the server is, as a connection URI.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{SUPER_USER}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// A connection URI that names this server and then another.
    #[must_use]
    pub fn url_with(&self, other: &Self) -> String {
        let (port, other) = (self.port, other.port);
        format!("postgres://{SUPER_USER}@127.0.0.1:{port},127.0.0.1:{other}/{DATABASE}")
    }

    /// Makes all processes of the server hang: connections stay open, and nothing is answered until
    /// [`Self::resume`].
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.pause_with_children()
    }

    /// Lets them go on.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.resume_with_children()
    }

    /// A session of somebody who begins a transaction with this statement and does not go on.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub fn begin_and_idle(&self, statement: &str) -> Result<IdleSession> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", &self.url()]).env("PGAPPNAME", IDLE_SESSION);
        let psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut session = IdleSession(psql.spawn().context("running psql")?);
        let stdin = session.0.stdin.as_mut().context("no standard input")?;
        writeln!(stdin, "begin; {statement};")?;
        let idle = format!(
            "select count(*) from pg_stat_activity where application_name = '{IDLE_SESSION}' and state = 'idle in transaction'"
        );
        wait::until("a session is idle in its transaction", || Ok((self.run(&idle)? == "1").then_some(())))?;
        Ok(session)
    }

    /// Kills the server at once, as a crash of its machine would. What was committed stays.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again after [`Self::kill`], at the same place.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        // Its children end by themselves when they notice; until then they hold on to the shared memory.
        wait::until("the killed server's processes have ended", || {
            self.spawn_again()?;
            Ok(self.await_readiness().ok())
        })
    }

    /// Runs a statement as the super-user, and returns what it answers, a row a line.
    ///
    /// # Errors
    ///
    /// When the server refuses it.
    pub fn run(&self, statement: &str) -> Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--quiet",
            "--command",
            statement,
            &self.url(),
        ]);
        let output = psql.output().context("running psql")?;
        ensure!(output.status.success(), "psql failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn spawn_again(&mut self) -> Result<()> {
        let directory = self.directory.path();
        self.process = spawned(&self.programs, self.user, directory, self.port, self.durability)?;
        Ok(())
    }

    fn await_readiness(&mut self) -> Result<()> {
        wait::until("PostgreSQL takes connections", || {
            if let Some(status) = self.process.ended()? {
                bail!("PostgreSQL ended with {status}: {}", self.process.log().stderr());
            }
            let mut asked = Command::new(self.programs.join("pg_isready"));
            asked.args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()]);
            Ok(asked.status().context("running pg_isready")?.success().then_some(()))
        })
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // A process that hangs would not notice that its server is gone. It fails for one that has ended.
        let _ = self.process.resume_with_children();
    }
}

impl Drop for IdleSession {
    fn drop(&mut self) {
        // Either fails only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawned(
    programs: &Path,
    user: Option<SystemUser>,
    directory: &Path,
    port: u16,
    durability: Durability,
) -> Result<ChildProcess> {
    let mut postgres = command_as(user, &programs.join("postgres"));
    postgres.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
    let fsync = matches!(durability, Durability::Disk);
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("fsync={}", if fsync { "on" } else { "off" }),
        "max_connections=300".to_owned(),
    ] {
        postgres.arg("-c").arg(setting);
    }
    ChildProcess::start("postgres", postgres, directory)
}

fn command_as(user: Option<SystemUser>, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(SystemUser { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    // A directory that this user may enter.
    command.current_dir("/");
    command
}

/// Somebody else when this program is the super-user, and the directory is then his.
fn unprivileged_user(directory: &Path) -> Result<Option<SystemUser>> {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata(directory)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("reading the list of users")?;
    let found = UNPRIVILEGED_USERS.iter().find_map(|name| user_named(name, &users));
    let Some(user) = found else { bail!("PostgreSQL cannot run as root, and there is nobody else") };
    chown(directory, Some(user.uid), Some(user.gid)).context("giving PostgreSQL its directory")?;
    Ok(Some(user))
}

/// A user of the file `/etc/passwd`: name, password, user id, group id and more, between colons.
fn user_named(name: &str, users: &str) -> Option<SystemUser> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some(SystemUser { uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()? })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
