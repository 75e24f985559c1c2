//! Asking edges: requests with a key, and what is looked at when one is admitted.

use std::rc::Rc;

use latchkey_filter::filter::{Flow, RequestFilter};
use latchkey_filter::host::RequestId;
use latchkey_filter::testing::RequestState;
use latchkey_key_feed::UnixMillis;

use crate::history::Version;
use crate::host::SimHost;
use crate::invariants::{self, Admitted, Broken};
use crate::keys::Presented;
use crate::promises::{Heard, Promised};
use crate::proxy::{HeldRequest, Plugin};
use crate::setting::ClockFault;
use crate::world::World;

/// What has become of a request. A key that is admitted has a version, if its identity can be read.
pub(crate) enum Answer {
    Admitted(Option<Version>),
    NotAdmitted,
    Busy,
}

/// When a decision began, and what was promised of the table by then.
#[derive(Clone, Copy)]
pub(crate) struct Began {
    promised: Promised,
    monotonic: u64,
    wall: UnixMillis,
    time: u64,
}

impl<H: SimHost> World<H> {
    /// A request with a key comes to a plugin, and may wait there.
    pub(crate) fn request(self: &Rc<Self>, plugin: &Rc<Plugin<H>>, presented: Presented) {
        self.ask(plugin, presented, true);
    }

    /// Asks with a key. A request that would wait is given up, unless it `may_wait`.
    pub(crate) fn ask(
        self: &Rc<Self>,
        plugin: &Rc<Plugin<H>>,
        presented: Presented,
        may_wait: bool,
    ) -> Answer {
        let began = self.moment_of(plugin);
        let mut came = None;
        self.on_thread(plugin, |plugin| came = Self::come(plugin, presented));
        let Some((id, filter, flow)) = came else { return Answer::Busy };
        if flow == Flow::Continue {
            let version = self.admitted(plugin, id, presented, began);
            plugin.host.fake().end(id);
            return Answer::Admitted(version);
        }
        if may_wait && filter.waits() {
            plugin.held.borrow_mut().push(HeldRequest { id, presented, filter });
        } else {
            drop(filter);
            plugin.host.fake().end(id);
        }
        Answer::NotAdmitted
    }

    fn come(plugin: &Plugin<H>, presented: Presented) -> Option<(RequestId, RequestFilter<H>, Flow)> {
        let id = plugin.next_request();
        let mut filter = plugin.root.borrow().as_ref()?.request(id);
        let credential = presented.credential();
        let headers = [
            (":method", "GET"),
            (":authority", "shop.example"),
            (":path", "/"),
            ("x-api-key-name", "forged"),
            ("authorization", credential.as_str()),
        ];
        let mut request = plugin.host.fake().come(id, RequestState::with_headers(&headers));
        let flow = filter.headers(&mut request);
        Some((id, filter, flow))
    }

    /// Looks whether requests that waited have been let through by what began at that moment.
    pub(crate) fn look_at_held(&self, plugin: &Rc<Plugin<H>>, began: Began) {
        if plugin.held.borrow().is_empty() {
            return;
        }
        let settled: Vec<_> = {
            let mut held = plugin.held.borrow_mut();
            held.extract_if(.., |held| !held.filter.waits()).collect()
        };
        for HeldRequest { id, presented, filter } in settled {
            if plugin.host.fake().state(id).resumed > 0 {
                self.admitted(plugin, id, presented, began);
            }
            drop(filter);
            plugin.host.fake().end(id);
        }
    }

    /// What is promised of the table of a plugin now.
    pub(crate) fn moment_of(&self, plugin: &Plugin<H>) -> Began {
        let promised = self.promises.borrow().of(plugin.table);
        let (monotonic, wall) = (plugin.clocks.true_monotonic().0, plugin.clocks.true_wall());
        Began { promised, monotonic, wall, time: self.time.get() }
    }

    /// How old a table was when a decision began, in milliseconds.
    fn age_ms(&self, plugin: &Plugin<H>, began: Began) -> Option<u64> {
        let Heard { monotonic, time } = self.promises.borrow().heard(plugin.table)?;
        Some(match self.setting.clocks {
            ClockFault::Sleep => began.time.saturating_sub(time),
            ClockFault::None | ClockFault::Set => began.monotonic.saturating_sub(monotonic),
        })
    }

    /// A key was admitted: every promise about that is looked at.
    fn admitted(
        &self,
        plugin: &Plugin<H>,
        id: RequestId,
        presented: Presented,
        began: Began,
    ) -> Option<Version> {
        let state = plugin.host.fake().state(id);
        let version = match &state.values("x-api-key-name")[..] {
            [name] => Version::read(name),
            _ => None,
        };
        let (promised, age_ms) = (began.promised, self.age_ms(plugin, began));
        let ticked_ms = match plugin.last_tick.get() {
            // Who has never ticked reads the monotonic clock.
            0 => 0,
            last => began.monotonic.saturating_sub(last),
        };
        // Somebody may have set the clock in between.
        let wall = began.wall.min(plugin.clocks.true_wall());
        let Presented { key, secret } = presented;
        let admitted =
            Admitted { key, secret, version, kind: plugin.kind, promised, age_ms, ticked_ms, wall };
        let judged = self.judge_admitted(&admitted);
        self.judge(judged.map_err(|broken| broken.at(&plugin.told())));
        version
    }

    fn judge_admitted(&self, admitted: &Admitted) -> Result<(), Broken> {
        let service = self.service.borrow();
        let history = &service.store.history;
        invariants::identity_is_given(admitted, history)?;
        invariants::acknowledged_is_applied(admitted, history)?;
        invariants::complete_is_everywhere(admitted, history)?;
        invariants::old_tables_refuse(admitted)?;
        invariants::expired_keys_are_refused(admitted, history)?;
        invariants::ended_secrets_are_refused(admitted, history)
    }

    /// All that clients may present: each key with each of its secrets.
    pub(crate) fn all_presented(&self) -> Vec<Presented> {
        let store = &self.service.borrow().store;
        let with_secrets = |key| store.secrets_of(key).map(move |secret| Presented { key, secret });
        (0..self.setting.keys).flat_map(with_secrets).collect()
    }

    /// Asks every plugin of a process with all that clients may present.
    pub(crate) fn ask_all_of(self: &Rc<Self>, process: u64) {
        let Some(process) = self.process(process) else { return };
        for plugin in process.serving() {
            for presented in self.all_presented() {
                self.ask(&plugin, presented, false);
            }
        }
    }

    /// Looks whether what is promised holds after a step.
    pub(crate) fn look(self: &Rc<Self>) {
        let completed: Vec<_> = (0..self.setting.replicas)
            .flat_map(|at| self.service.borrow_mut().completed(at, self.time.get()))
            .collect();
        if !completed.is_empty() {
            for change in completed {
                self.trace.tell(|| format!("    complete everywhere: {change:?}"));
                self.promises.borrow_mut().note_complete(change);
            }
            let processes: Vec<_> = self.processes.borrow().iter().map(|process| process.number).collect();
            processes.into_iter().for_each(|process| self.ask_all_of(process));
        }
        for process in self.touched.take() {
            if self.setting.is_attentive {
                self.ask_all_of(process);
            }
            self.count_entries(process);
        }
        self.touched.borrow_mut().clear();
    }

    fn count_entries(&self, number: u64) {
        let Some(process) = self.process(number) else { return };
        for (vm_id, shared) in process.shared.iter().enumerate() {
            let entries_max = self.entries_max(number, vm_id);
            self.judge(invariants::entries_are_bounded(number, H::entries(shared), entries_max));
        }
    }
}
