//! The way from an edge to the service, which can be cut.
//!
//! The service has another port after each restart: a port that is given up for a moment may be somebody else's by
//! then. So the way leads to wherever the service is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::plan::Cut;

/// How often a thread looks whether it is to end, while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A way that leads to the service; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Forwarder {
    address: SocketAddr,
    way: Arc<Way>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Way {
    state: Mutex<WayState>,
    changed: Condvar,
}

#[derive(Debug)]
struct WayState {
    service: SocketAddr,
    cut: Option<Cut>,
    /// Moves when all connections are closed. Those of an earlier number end.
    closed: u64,
    ends: bool,
}

impl Forwarder {
    pub(crate) fn start(service: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for a forwarder")?;
        let address = listener.local_addr()?;
        let state = WayState { service, cut: None, closed: 0, ends: false };
        let way = Arc::new(Way { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&way);
        let acceptor = std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, way, acceptor: Some(acceptor) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the service is there.
    pub(crate) fn leads_to(&self, service: SocketAddr) {
        self.way.change(|state| state.service = service);
    }

    /// Nothing comes through any more.
    pub(crate) fn cut(&self, cut: Cut) {
        self.way.change(|state| {
            state.cut = Some(cut);
            state.closed += u64::from(cut == Cut::Closed);
        });
    }

    /// Everything comes through again, also what hung.
    pub(crate) fn mend(&self) {
        self.way.change(|state| state.cut = None);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.way.change(|state| state.ends = true);
        // Wakes the acceptor, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, WayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut WayState)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until something may come through. `false` when the connection of that number is to end.
    fn is_open(&self, number: u64) -> bool {
        let mut state = self.state();
        loop {
            if state.ends || state.closed != number {
                return false;
            }
            if state.cut.is_none() {
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn accept(listener: &TcpListener, way: &Arc<Way>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (number, is_closed) = {
            let state = way.state();
            if state.ends {
                return;
            }
            (state.closed, state.cut == Some(Cut::Closed))
        };
        if is_closed {
            continue;
        }
        let way = Arc::clone(way);
        std::thread::spawn(move || {
            // A connection that breaks is no concern of the way.
            let _ = lead(&stream, &way, number);
        });
    }
}

/// Leads a connection to the service, until either side or the way ends it.
fn lead(edge: &TcpStream, way: &Way, number: u64) -> std::io::Result<()> {
    if !way.is_open(number) {
        return Ok(());
    }
    let address = way.state().service;
    let service = TcpStream::connect(address)?;
    for stream in [edge, &service] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK_EVERY))?;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| pump(edge, &service, way, number));
        pump(&service, edge, way, number);
    });
    Ok(())
}

/// Carries what comes from one side to the other.
fn pump(mut from: &TcpStream, mut to: &TcpStream, way: &Way, number: u64) {
    let mut chunk = [0; 16 * 1024];
    while way.is_open(number) {
        let carried = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) if way.is_open(number) => to.write_all(chunk.get(..length).unwrap_or_default()),
            Ok(_) => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Err(error) => Err(error),
        };
        if carried.is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // Fails only where the other side has done so before.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_local_stack::http::{Request, http1};
    use latchkey_local_stack::upstream::Upstream;

    fn status(forwarder: &Forwarder) -> Option<u16> {
        http1::exchange(forwarder.address(), &Request::get("/way")).ok().map(|answer| answer.status)
    }

    #[test]
    fn a_way_is_cut_and_mended() {
        let upstream = || Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let (first, second) = (upstream(), upstream());
        let forwarder = Forwarder::start(first.address()).unwrap();
        assert_eq!(status(&forwarder), Some(200));
        let mut open = http1::Http1Connection::open(forwarder.address()).unwrap();
        assert_eq!(open.exchange(&Request::get("/open")).unwrap().status, 200);

        forwarder.cut(Cut::Closed);
        assert_eq!(status(&forwarder), None);
        assert!(open.exchange(&Request::get("/open")).is_err(), "an open connection is closed");

        forwarder.leads_to(second.address());
        forwarder.mend();
        assert_eq!(status(&forwarder), Some(200));
        assert_eq!(second.requests_to("/way").len(), 1);
    }

    #[test]
    fn what_hangs_comes_through_when_the_way_is_mended() {
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let forwarder = Forwarder::start(upstream.address()).unwrap();
        forwarder.cut(Cut::Hanging);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| status(&forwarder));
            assert!(upstream.requests_to("/way").is_empty());
            forwarder.mend();
            assert_eq!(asked.join().unwrap(), Some(200));
        });
    }
}
