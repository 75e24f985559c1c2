//! Requests that come while something happens to the edge.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use latchkey_local_stack::http::{Request, http1};

/// Ends the requests, also when a test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends requests one after another, each on a connection of its own, while `meanwhile` runs. Each must be
/// answered with the status beside it.
pub(crate) fn during<T>(edge: SocketAddr, expected: &[(Request, u16)], meanwhile: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut rounds = 0_u32;
            while !ended.load(Ordering::Relaxed) {
                for (request, status) in expected {
                    let answer = http1::exchange(edge, request).unwrap();
                    let target = &request.target;
                    assert_eq!(answer.status, *status, "{target} in round {rounds}: {}", answer.text());
                }
                rounds += 1;
            }
            rounds
        });
        let ending = Ending(&ended);
        let result = meanwhile();
        drop(ending);
        assert!(traffic.join().unwrap() > 0);
        result
    })
}
