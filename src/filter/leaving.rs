//! Plugins of a VM that have ended, and the rest of their work.
//!
//! A plugin that ends cannot finish by itself, because the host deletes its root context and its calls. The
//! ticks of the other plugins of the VM finish its work. Where there is no other plugin, the VM ends at once
//! (Envoy 1.39: a root context that asks for time in `proxy_on_done` gets none), so the plugin is only
//! counted out. Its table then stays for VMs that come later, or VMs of another feed clear it.

use std::cell::{Cell, RefCell};

use latchkey_key_feed::MonotonicMillis;

use super::{feed_call, reporting};
use crate::config::KeyService;
use crate::host::{Host, HostFailed, LogLevel};
use crate::refresh::{CallId, Departure, FeedEndpoint};
use crate::usage::SharedUsage;

/// What the plugins of one VM have in common.
pub struct Vm<H: Host> {
    /// How many there are.
    plugins: Cell<u32>,
    leavers: RefCell<Vec<Leaver<H>>>,
}

/// One plugin that has ended.
struct Leaver<H: Host> {
    departure: Departure<H, H::Sink>,
    /// Where to say goodbye, and as whom.
    service: KeyService,
    endpoint: FeedEndpoint,
    /// Uses of keys that nobody tells otherwise.
    usage: SharedUsage<H>,
}

/// What a plugin leaves behind that had joined its table.
pub(super) struct Leaving<H: Host> {
    pub(super) departure: Departure<H, H::Sink>,
    pub(super) endpoint: FeedEndpoint,
    pub(super) usage: SharedUsage<H>,
}

impl<H: Host> Vm<H> {
    /// A VM without plugins.
    #[must_use]
    pub fn new() -> Self {
        Self { plugins: Cell::new(0), leavers: RefCell::new(Vec::new()) }
    }

    /// A plugin of this VM has begun.
    pub(super) fn one_came(&self) {
        self.plugins.set(self.plugins.get().saturating_add(1));
    }

    /// A plugin of this VM has ended; it leaves something if it had joined its table.
    pub(super) fn one_left(&self, leaving: Option<Leaving<H>>, service: &KeyService) {
        self.plugins.set(self.plugins.get().saturating_sub(1));
        let Some(Leaving { departure, endpoint, usage }) = leaving else { return };
        if self.plugins.get() == 0 {
            departure.without_goodbye();
            return;
        }
        let service = service.clone();
        self.leavers.borrow_mut().push(Leaver { departure, service, endpoint, usage });
    }

    /// Time has passed. A plugin calls this with its own host, which then sends the goodbye.
    pub(super) fn go_on(&self, host: &H, now: MonotonicMillis) {
        // Nothing is borrowed while the host is called: it could call back.
        let mut leavers = self.leavers.take();
        for Leaver { departure, service, endpoint, usage } in &mut leavers {
            let Some(goodbye) = departure.tick(now) else { continue };
            host.log(
                LogLevel::Info,
                format_args!(
                    "the last plugin of a table has ended: the table is cleared, and the key service is told"
                ),
            );
            reporting::send_last(host, usage, service, endpoint);
            match feed_call::send(host, &goodbye, service) {
                Ok(call) => departure.sent(call, now),
                Err(HostFailed) => departure.not_sent(),
            }
        }
        leavers.retain(|leaver| !leaver.departure.is_over());
        self.leavers.borrow_mut().append(&mut leavers);
    }

    /// Whether the call that has ended was a goodbye.
    pub(super) fn answered(&self, call: CallId) -> bool {
        self.leavers.borrow_mut().iter_mut().any(|leaver| leaver.departure.answered(call))
    }

    /// Whether the next tick has work to do, and should come soon.
    pub(super) fn is_busy(&self) -> bool {
        self.leavers.borrow().iter().any(|leaver| leaver.departure.is_busy())
    }
}

impl<H: Host> Default for Vm<H> {
    fn default() -> Self {
        Self::new()
    }
}
