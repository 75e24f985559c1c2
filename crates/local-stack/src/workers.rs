//! A connection to each worker thread of an Envoy.
//!
//! The kernel deals connections out to the workers, and nobody can ask for one. So connections are opened
//! until each worker has one, and Envoy's own counters tell who got which.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::envoy::EnvoyAdmin;
use crate::http::http1::Http1Connection;
use crate::wait;

const CONNECTIONS_BY_WORKER: &str = r"^listener\.edge\.worker_[0-9]+\.downstream_cx_total$";

/// Opens one connection to each worker that serves the listener `edge`. Nobody else may connect meanwhile.
///
/// # Errors
///
/// When Envoy does not answer, or a worker gets no connection.
pub fn connection_to_each(admin: EnvoyAdmin) -> Result<Vec<Http1Connection>> {
    let edge = admin.listener("edge")?;
    let mut counted = admin.stats(CONNECTIONS_BY_WORKER)?;
    let workers = counted.len();
    let mut connections = BTreeMap::new();
    wait::until("every worker has a connection", || {
        let connection = Http1Connection::open(edge)?;
        let (worker, now_counted) = wait::until("a worker accepts a connection", || {
            let now = admin.stats(CONNECTIONS_BY_WORKER)?;
            let grown = now.iter().find(|(worker, count)| counted.get(*worker) < Some(*count));
            Ok(grown.map(|(worker, _)| worker.clone()).map(|worker| (worker, now.clone())))
        })?;
        counted = now_counted;
        connections.entry(worker).or_insert(connection);
        Ok((connections.len() == workers).then_some(()))
    })
    .with_context(|| format!("{workers} workers"))?;
    Ok(connections.into_values().collect())
}
