//! Stores in PostgreSQL, whatever the other tests use: what only replicas can do to each other.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use latchkey_local_stack::postgres::{DATABASE_VARIABLE, PostgresServer};

use super::*;

/// The server that tests share as long as any of them runs.
static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());

impl ScratchStore {
    /// A store in PostgreSQL: in the database that the tests are run with, else on a server of their own.
    pub(crate) async fn in_postgres() -> Self {
        let place = match std::env::var(DATABASE_VARIABLE) {
            Ok(url) => Scratch::in_database(&url, None).await,
            Err(_) => {
                let server = shared_server();
                Scratch::in_database(&server.url(), Some(server)).await
            }
        };
        let store = open(&place, "epoch-1").await;
        Self { store, place }
    }

    /// The same store as another process has it.
    pub(crate) async fn another_replica(&self) -> KeyStore {
        assert!(self.store.may_have_replicas(), "a file has one process");
        open(&self.place, "of no replica").await
    }
}

fn shared_server() -> Arc<PostgresServer> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(PostgresServer::start().unwrap());
        *shared = Arc::downgrade(&server);
        server
    })
}
