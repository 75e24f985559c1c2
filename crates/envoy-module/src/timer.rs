//! The clockwork: one thread that sends ticks to the main thread, and wakes requests that wait.
//!
//! Envoy gives a module no timer. Whatever the thread sends it sends under the lock under which a configuration
//! is taken out, so nothing is sent for one that is gone, nor to a thread that has ended.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::abi::ConfigScheduler;
use crate::limits::{WAITING_PER_WAKE, WAKE_MS};
use crate::plugin::Plugin;

/// The clockwork of a process.
pub(crate) struct Timer {
    works: Mutex<Works>,
    changed: Condvar,
}

#[derive(Default)]
struct Works {
    ticking: Vec<Ticking>,
    /// Whether the thread runs. It ends when nothing ticks.
    runs: bool,
}

/// One configuration.
struct Ticking {
    plugin: Arc<Plugin>,
    scheduler: ConfigScheduler,
    period: Duration,
    next_tick: Instant,
    /// When those that wait are looked at, if any does.
    next_wake: Option<Instant>,
}

/// That of this process.
pub(crate) static TIMER: LazyLock<Timer> =
    LazyLock::new(|| Timer { works: Mutex::default(), changed: Condvar::new() });

/// Until a configuration says otherwise.
const FIRST_PERIOD: Duration = Duration::from_secs(1);

impl Timer {
    /// A configuration has come. Without a thread it never ticks: it reads no table, and admits nobody.
    pub(crate) fn insert(&'static self, plugin: Arc<Plugin>, scheduler: ConfigScheduler) {
        let mut works = self.works();
        let next_tick = Instant::now() + FIRST_PERIOD;
        works.ticking.push(Ticking { plugin, scheduler, period: FIRST_PERIOD, next_tick, next_wake: None });
        if !works.runs {
            let thread = thread::Builder::new().name("latchkey-timer".to_owned());
            works.runs = thread.spawn(|| self.run()).is_ok();
        }
    }

    /// It ticks so often from now on.
    pub(crate) fn set_period(&self, plugin: u64, period: Duration) {
        let mut works = self.works();
        for ticking in works.ticking.iter_mut().filter(|ticking| ticking.plugin.id == plugin) {
            ticking.period = period;
            ticking.next_tick = Instant::now() + period;
        }
        drop(works);
        self.changed.notify_one();
    }

    /// A request waits that did not before.
    pub(crate) fn one_waits(&self) {
        // The lock, so that the thread either sees the request or hears this.
        drop(self.works());
        self.changed.notify_one();
    }

    /// The configuration is gone: nothing is sent for it any more once this returns.
    pub(crate) fn remove(&self, plugin: u64) {
        let mut works = self.works();
        works.ticking.retain(|ticking| ticking.plugin.id != plugin);
        drop(works);
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut works = self.works();
        loop {
            let now = Instant::now();
            let Some(next) = works.ticking.iter_mut().map(|ticking| ticking.send(now)).min() else {
                works.runs = false;
                return;
            };
            let wait = next.saturating_duration_since(now);
            works = self.changed.wait_timeout(works, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn works(&self) -> MutexGuard<'_, Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticking {
    /// Sends what is due, and says when the next is.
    fn send(&mut self, now: Instant) -> Instant {
        if self.next_tick <= now {
            self.next_tick = now + self.period;
            // The main thread may be busy: one tick on its way is enough.
            if !self.plugin.tick_is_due.swap(true, Ordering::AcqRel) {
                self.scheduler.commit(0);
            }
        }
        let waiting = self.plugin.waiting.count();
        self.next_wake = match self.next_wake {
            _ if waiting == 0 => None,
            Some(due) if due > now => Some(due),
            before => {
                if before.is_some() {
                    self.plugin.waiting.wake();
                }
                let times = u64::try_from(1 + waiting / WAITING_PER_WAKE).unwrap_or(u64::MAX);
                Some(now + Duration::from_millis(WAKE_MS.saturating_mul(times)))
            }
        };
        self.next_wake.map_or(self.next_tick, |wake| wake.min(self.next_tick))
    }
}
