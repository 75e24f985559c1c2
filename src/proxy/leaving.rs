//! Plugins of this VM that have ended, and the rest of their work.
//!
//! A plugin that ends cannot finish by itself: the host deletes its root context, and the calls of it. The
//! ticks of the other plugins of the VM do it. Where there is none the VM ends too, at once (Envoy 1.39: a
//! root context that asks for time in `proxy_on_done` gets none), and so all that is left is to count the
//! plugin out. Its table then goes with the VM, or is taken on by the VMs that come, or is cleared by those
//! of another feed.

use std::cell::{Cell, RefCell};

use latchkey_key_feed::MonotonicMillis;

use super::feed_call;
use super::shared_data::EnvoySharedData;
use crate::config::KeyService;
use crate::refresh::{CallId, Departure};

/// One plugin that has ended.
struct Leaver {
    departure: Departure<EnvoySharedData>,
    /// Where to say goodbye, and as whom.
    service: KeyService,
}

thread_local! {
    /// How many plugins this VM has.
    static PLUGINS: Cell<u32> = const { Cell::new(0) };
    static LEAVERS: RefCell<Vec<Leaver>> = const { RefCell::new(Vec::new()) };
}

/// A plugin of this VM has begun.
pub(super) fn one_came() {
    PLUGINS.set(PLUGINS.get().saturating_add(1));
}

/// A plugin of this VM has ended; it has a departure if it had joined its table.
pub(super) fn one_left(departure: Option<Departure<EnvoySharedData>>, service: &KeyService) {
    PLUGINS.set(PLUGINS.get().saturating_sub(1));
    let Some(departure) = departure else { return };
    if PLUGINS.get() == 0 {
        departure.without_goodbye();
        return;
    }
    LEAVERS.with_borrow_mut(|leavers| leavers.push(Leaver { departure, service: service.clone() }));
}

/// Time has passed. Called by a plugin with its own context, whose call a goodbye then is.
pub(super) fn go_on(now: MonotonicMillis) {
    // Nothing is borrowed while the host is called: it could call back.
    let mut leavers = LEAVERS.take();
    for Leaver { departure, service } in &mut leavers {
        let Some(goodbye) = departure.tick(now) else { continue };
        log::info!("the last plugin of a table has ended: the table is cleared, and the key service is told");
        match feed_call::send(&goodbye, service) {
            Ok(call) => departure.sent(call, now),
            Err(feed_call::NotSent) => departure.not_sent(),
        }
    }
    leavers.retain(|leaver| !leaver.departure.is_over());
    LEAVERS.with_borrow_mut(|others| others.append(&mut leavers));
}

/// Whether the call that has ended was a goodbye.
pub(super) fn answered(call: CallId) -> bool {
    LEAVERS.with_borrow_mut(|leavers| leavers.iter_mut().any(|leaver| leaver.departure.answered(call)))
}

/// Whether the next tick has work to do, and should come soon.
pub(super) fn is_busy() -> bool {
    LEAVERS.with_borrow(|leavers| leavers.iter().any(|leaver| leaver.departure.is_busy()))
}
