//! Ports that are taken by binding them, never by looking whether they are free: what is free now may be
//! somebody else's in a moment.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

/// Starts something at a port of the loopback interface, or where the system chooses when that is taken;
/// `taken` then hears of it. Port 0 leaves the choice to the system at once.
///
/// # Errors
///
/// When it does not start for another reason.
pub fn start_at<T>(port: u16, taken: &mut Vec<u16>, start: impl Fn(SocketAddr) -> Result<T>) -> Result<T> {
    match start(local(port)) {
        Err(error) if port != 0 && is_taken(&error) => {
            taken.push(port);
            start(local(0))
        }
        outcome => outcome,
    }
}

/// Whether it failed because its port is taken.
#[must_use]
pub fn is_taken(error: &anyhow::Error) -> bool {
    let is_in_use = |cause: &Error| cause.kind() == ErrorKind::AddrInUse;
    error.chain().any(|cause| cause.downcast_ref::<Error>().is_some_and(is_in_use))
}

/// The error of a process that found its port taken, and said so.
#[must_use]
pub fn taken(said: String) -> anyhow::Error {
    Error::new(ErrorKind::AddrInUse, said).into()
}

/// This port of the loopback interface.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
