//! The servers that a database may be at, and which of them is the primary.
//!
//! A standby may lack the last changes, and then a revoked key is valid there. So nothing is read from one: a
//! connection to it waits until it is promoted. After a failover the old primary may come back and know of no
//! other. PostgreSQL begins another timeline with each promotion; a server on an older timeline than one that
//! was seen is not used.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Postgres};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::limits::PROMOTION_LOOK_INTERVAL;
use crate::store::StoreError;
use crate::store::sql::Connections;

/// The servers of one database. Clones share which of them was chosen.
#[derive(Clone, derive_more::Debug)]
#[debug("Servers")]
pub(in crate::store) struct Servers {
    all: Arc<[PgConnectOptions]>,
    chosen: Arc<watch::Sender<Chosen>>,
}

/// The server that is used.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::sql) struct Chosen {
    number: usize,
    since: Instant,
    /// The latest timeline that was seen at any server.
    timeline: Timeline,
}

/// The number of a timeline, which rises with each promotion. 0 where a server does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Timeline(u32);

/// The primary, with a connection to it.
pub(super) struct Primary {
    number: usize,
    timeline: Timeline,
    pub(super) connection: PgConnection,
}

/// What has become of the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Turn {
    /// They go to the same server as before.
    Stayed,
    /// New ones go to this server.
    To(String),
}

/// Why no server can be used: what each of them says.
#[derive(Debug, thiserror::Error)]
#[error("no server takes changes: {}", .0.join("; "))]
struct NoPrimary(Vec<String>);

impl Servers {
    /// `all` has at least one.
    pub(in crate::store::sql) fn new(all: Vec<PgConnectOptions>) -> Self {
        let chosen = Chosen { number: 0, since: Instant::now(), timeline: Timeline::default() };
        Self { all: all.into(), chosen: Arc::new(watch::Sender::new(chosen)) }
    }

    pub(super) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Asks all of them at once which is the primary. Of several that say so, the one on the latest timeline
    /// is: the others do not know yet that it was promoted.
    pub(super) async fn primary(&self, wait: Duration) -> Result<Primary, StoreError> {
        let latest = self.chosen.borrow().timeline;
        let answers = join_all(self.all.iter().map(|server| async move {
            let connected = timeout(wait, connect(server)).await.map_err(|elapsed| elapsed.to_string())?;
            let (connection, timeline) = connected.map_err(|error| error.to_string())?;
            match timeline {
                None => Err("it is a standby".to_owned()),
                Some(timeline) if timeline < latest => {
                    Err("another server was promoted in its place".to_owned())
                }
                Some(timeline) => Ok((connection, timeline)),
            }
        }))
        .await;
        let (mut primaries, mut complaints) = (Vec::new(), Vec::new());
        for (number, (answer, server)) in answers.into_iter().zip(self.all.iter()).enumerate() {
            match answer {
                Ok((connection, timeline)) => primaries.push(Primary { number, timeline, connection }),
                Err(complaint) => complaints.push(format!("{}: {complaint}", address(server))),
            }
        }
        let latest = primaries.into_iter().max_by_key(|primary| (primary.timeline, Reverse(primary.number)));
        latest.ok_or_else(|| StoreError::Unavailable(NoPrimary(complaints).into()))
    }

    /// How to connect to any server, to read what is there: to the first that takes a connection.
    pub(super) async fn any(&self, wait: Duration) -> Result<PgConnectOptions, StoreError> {
        let mut complaints = Vec::new();
        for server in self.all.iter() {
            match timeout(wait, PgConnection::connect_with(server)).await {
                Ok(Ok(connection)) => {
                    connection.close().await?;
                    return Ok(server.clone());
                }
                Ok(Err(error)) => complaints.push(format!("{}: {error}", address(server))),
                Err(elapsed) => complaints.push(format!("{}: {elapsed}", address(server))),
            }
        }
        Err(StoreError::Unavailable(NoPrimary(complaints).into()))
    }

    /// How to connect to this primary, which is the chosen one from now on.
    pub(super) fn begin_with(&self, primary: &Primary) -> Result<PgConnectOptions, StoreError> {
        self.choose(primary);
        self.options_of(primary)
    }

    /// Has new connections go to this primary. Those to another server are of no use any more.
    pub(super) fn turn_to(
        &self,
        primary: &Primary,
        connections: &Connections<Postgres>,
    ) -> Result<Turn, StoreError> {
        if primary.number == self.chosen.borrow().number {
            self.note(primary.timeline);
            return Ok(Turn::Stayed);
        }
        let options = self.options_of(primary)?;
        let turn = Turn::To(address(&options));
        connections.writer.set_connect_options(options.clone());
        connections.readers.set_connect_options(options);
        // Last: what was opened before counts as opened at the other server.
        self.choose(primary);
        Ok(turn)
    }

    /// Whether a connection of this age was opened since the present server was chosen.
    pub(super) fn opened_since_turn(&self, age: Duration) -> bool {
        age <= self.chosen.borrow().since.elapsed()
    }

    /// Returns once the server of the connection is the primary.
    pub(super) async fn await_primary(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        while !timeline(connection).await?.is_some_and(|timeline| self.note(timeline)) {
            sleep(PROMOTION_LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// The receiver is woken when another server is chosen.
    pub(in crate::store::sql) fn turns(&self) -> watch::Receiver<Chosen> {
        self.chosen.subscribe()
    }

    /// Remembers the timeline of a primary. `false` if there is a later one.
    fn note(&self, seen: Timeline) -> bool {
        let mut is_latest = false;
        self.chosen.send_if_modified(|Chosen { timeline, .. }| {
            is_latest = seen >= *timeline;
            *timeline = seen.max(*timeline);
            false
        });
        is_latest
    }

    fn choose(&self, primary: &Primary) {
        let Primary { number, timeline, .. } = *primary;
        self.chosen.send_modify(|chosen| {
            *chosen = Chosen { number, since: Instant::now(), timeline: timeline.max(chosen.timeline) };
        });
    }

    fn options_of(&self, primary: &Primary) -> Result<PgConnectOptions, StoreError> {
        self.all.get(primary.number).cloned().ok_or(StoreError::Corrupt("list of servers"))
    }
}

async fn connect(server: &PgConnectOptions) -> Result<(PgConnection, Option<Timeline>), sqlx::Error> {
    let mut connection = PgConnection::connect_with(server).await?;
    let timeline = timeline(&mut connection).await?;
    Ok((connection, timeline))
}

/// The timeline on which a server takes changes; `None` for a standby.
async fn timeline(connection: &mut PgConnection) -> Result<Option<Timeline>, sqlx::Error> {
    let is_standby = "select pg_is_in_recovery()";
    if sqlx::query_scalar(is_standby).fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    // The name of a file of the write-ahead log begins with the timeline, in hexadecimal digits. Databases
    // that only speak like PostgreSQL may not know these functions.
    let file = "select pg_walfile_name(pg_current_wal_lsn())";
    match sqlx::query_scalar::<_, String>(file).fetch_one(connection).await {
        Ok(file) => {
            let digits = file.get(..8).unwrap_or_default();
            Ok(Some(Timeline(u32::from_str_radix(digits, 16).unwrap_or_default())))
        }
        Err(sqlx::Error::Database(_)) => Ok(Some(Timeline::default())),
        Err(error) => Err(error),
    }
}

fn address(server: &PgConnectOptions) -> String {
    format!("{}:{}", server.get_host(), server.get_port())
}
