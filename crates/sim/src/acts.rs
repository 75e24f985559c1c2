//! What each act does.

use std::rc::Rc;

use latchkey_filter::testing::{FakeAnswer, FakeClocks};
use latchkey_key_feed::{FeedHead, FeedRequest, FeedVersion, QueryText, whole_millis};

use crate::host::SimHost;
use crate::network::{Call, CallState, Deadline};
use crate::promises::Heard;
use crate::proxy::{Plugin, Process};
use crate::schedule::{Act, Ending, Fate};
use crate::service::Answered;
use crate::world::World;

impl<H: SimHost> World<H> {
    /// Does what an act says, where there is something to do it to.
    pub(crate) fn act(self: &Rc<Self>, act: &Act) {
        match *act {
            Act::Pass(millis) => self.pass(millis),
            Act::Round(millis) => self.round(millis),
            Act::SetWall(machine, by) => {
                if let Some(clocks) = pick(&self.every_clock(), machine) {
                    clocks.step(by);
                }
            }
            Act::Sleep(machine, millis) => self.sleep(machine, millis),
            Act::Tick(which) => {
                if let Some(plugin) = self.pick_plugin(which, |plugin| plugin.ticks()) {
                    self.tick(&plugin);
                }
            }
            Act::Request(which, key) => {
                if let Some(plugin) = self.pick_plugin(which, |plugin| plugin.serves()) {
                    let all = self.all_presented();
                    self.request(&plugin, all[key as usize % all.len()]);
                }
            }
            Act::Trap(which) => self.trap(which),
            Act::Revive => {
                for process in self.all_processes() {
                    process.revive(&self.configured);
                }
            }
            Act::Configure(which, vm_id, kind) => {
                if let Some(process) = self.pick_process(which) {
                    let vm_id = vm_id as usize % self.setting.plans.len();
                    process.replace(vm_id);
                    self.configure(&process, vm_id, kind as usize);
                }
            }
            Act::Drain(which) => {
                if let Some(plugin) = self.pick_plugin(which, |plugin| plugin.is_draining.get()) {
                    self.end_plugin(&plugin);
                }
            }
            Act::Save(which) => {
                if let Some(process) = self.pick_process(which) {
                    self.save(&process);
                }
            }
            Act::StartAnew(which) => {
                if let Some(process) = self.pick_process(which) {
                    self.end_process(&process, Ending::Killed);
                    self.begin_process(process.machine);
                }
            }
            Act::Begin(machine) => self.begin_process(machine as usize % self.setting.machines),
            Act::End(which, ending) => {
                if let Some(process) = self.pick_process(which) {
                    self.end_process(&process, ending);
                }
            }
            _ => self.act_beyond_the_proxy(act),
        }
    }

    fn act_beyond_the_proxy(self: &Rc<Self>, act: &Act) {
        let replica = |which: u16| which as usize % self.setting.replicas;
        match *act {
            Act::Arrive(which, at) => self.arrive(which, replica(at), false),
            Act::ArriveTwice(which, at) => self.arrive(which, replica(at), true),
            Act::Wake(at) => self.wake(replica(at)),
            Act::Deliver(which, fate) => {
                let answered = self.network.borrow().answered();
                if let Some(place) = pick(&answered, which) {
                    self.deliver(place, fate);
                }
            }
            Act::Lose(which) => self.lose(which),
            Act::Damage(machine, damage) => self.damage(machine as usize % self.setting.machines, damage),
            Act::Write(key) => self.write(key, None),
            Act::WriteExpiring(key, millis) => self.write(key, Some(millis)),
            Act::Rotate(key, overlap_ms) => self.rotate(key, overlap_ms),
            Act::Invalidate(key) => {
                self.service.borrow_mut().store.invalidate(key as usize % self.setting.keys);
            }
            Act::EndEdgeKey(machine) => self.service.borrow_mut().store.end_key_of(&self.edge_of(machine)),
            Act::RenewEdgeKey(machine) => {
                self.service.borrow_mut().store.renew_key_of(&self.edge_of(machine));
            }
            Act::Purge => self.service.borrow_mut().store.purge(),
            Act::Backup => self.service.borrow_mut().store.back_up(),
            Act::Restore(restarts) => self.restore(restarts),
            Act::Restart(at) => self.restart(replica(at)),
            Act::Upgrade if !self.setting.stays_old => self.upgrade(),
            Act::Tidy(at) => self.service.borrow_mut().tidy(replica(at)),
            Act::Exchange(at) => {
                self.service.borrow_mut().look(replica(at));
                self.service.borrow_mut().exchange(replica(at));
            }
            Act::WaitForEdges(at) => {
                self.service.borrow_mut().wait_for_edges(replica(at), self.time.get());
            }
            _ => {}
        }
    }

    // Time.

    pub(crate) fn pass(&self, millis: u64) {
        self.time.set(self.time.get() + millis);
        self.every_clock().iter().for_each(|clocks| clocks.pass(millis));
    }

    /// Time passes for all others; the monotonic clock of this one stands still.
    fn sleep(&self, machine: u16, millis: u64) {
        self.time.set(self.time.get() + millis);
        let clocks = self.every_clock();
        let sleeps = machine as usize % clocks.len();
        for (number, clocks) in clocks.iter().enumerate() {
            if number == sleeps { clocks.sleep(millis) } else { clocks.pass(millis) }
        }
    }

    /// The clocks of all machines, those of edges first.
    fn every_clock(&self) -> Vec<FakeClocks> {
        let service = self.service.borrow();
        let replicas = service.replicas.iter().map(|replica| replica.clocks.clone());
        self.machines.iter().cloned().chain(replicas).collect()
    }

    /// Time passes, and everything that is due happens.
    pub(crate) fn round(self: &Rc<Self>, millis: u64) {
        self.pass(millis);
        for at in 0..self.setting.replicas {
            let mut service = self.service.borrow_mut();
            service.look(at);
            service.exchange(at);
            service.tidy(at);
        }
        self.plugins().iter().filter(|plugin| plugin.ticks()).for_each(|plugin| self.tick(plugin));
        let outgoing = self.network.borrow().outgoing().len();
        for _ in 0..outgoing {
            let at = self.balancer.borrow_mut().below(self.setting.replicas as u64);
            self.arrive(0, at as usize, false);
        }
        (0..self.setting.replicas).for_each(|at| self.wake(at));
        let answered = self.network.borrow().answered().len();
        for _ in 0..answered {
            self.deliver_first();
        }
    }

    fn deliver_first(self: &Rc<Self>) {
        let first = self.network.borrow().answered().first().copied();
        if let Some(place) = first {
            self.deliver(place, Fate::Whole);
        }
    }

    // The proxy.

    pub(crate) fn tick(self: &Rc<Self>, plugin: &Rc<Plugin<H>>) {
        self.time_out_calls(plugin);
        let began = self.moment_of(plugin);
        self.on_thread(plugin, |plugin| {
            plugin.last_tick.set(plugin.clocks.true_monotonic().0);
            if let Some(root) = plugin.root.borrow_mut().as_mut() {
                root.tick();
            }
        });
        self.look_at_held(plugin, began);
    }

    fn trap(&self, which: u16) {
        // Envoy's main thread lives on without its VM; what it would follow, a worker follows.
        let Some(plugin) = self.pick_plugin(which, |_| H::HAS_VMS) else { return };
        let Some(process) = self.process(plugin.table.process) else { return };
        plugin.vm.is_dead.set(true);
        let of_vm = |other: &&Rc<Plugin<H>>| Rc::ptr_eq(&other.vm, &plugin.vm);
        process.plugins.borrow().iter().filter(of_vm).for_each(|plugin| plugin.host.fake().die());
        process.bury();
        self.network.borrow_mut().forget_ended();
    }

    pub(crate) fn end_plugin(self: &Rc<Self>, plugin: &Rc<Plugin<H>>) {
        if plugin.thread.is_busy.get() {
            return;
        }
        self.on_thread(plugin, Plugin::end);
        if let Some(process) = self.process(plugin.table.process) {
            process.plugins.borrow_mut().retain(|other| !Rc::ptr_eq(other, plugin));
            process.let_go_of_files();
        }
        self.network.borrow_mut().forget_ended();
    }

    fn end_process(self: &Rc<Self>, process: &Rc<Process<H>>, ending: Ending) {
        if process.is_busy() {
            return;
        }
        let plugins = process.plugins.take();
        match ending {
            Ending::Peaceful => {
                for plugin in plugins {
                    self.on_thread(&plugin, Plugin::end);
                    plugin.end();
                }
                process.let_go_of_files();
            }
            Ending::Killed => self.leaving_files(process.machine, || {
                for plugin in plugins {
                    plugin.host.fake().die();
                    plugin.end();
                }
                process.let_go_of_files();
            }),
        }
        self.processes.borrow_mut().retain(|other| !Rc::ptr_eq(other, process));
        self.network.borrow_mut().forget_ended();
    }

    /// What a plugin has logged and sent since the last look.
    pub(crate) fn collect_calls(self: &Rc<Self>, plugin: &Rc<Plugin<H>>) {
        for line in plugin.host.fake().log_since(plugin.lines_seen.get()) {
            plugin.lines_seen.set(plugin.lines_seen.get() + 1);
            self.trace.tell(|| format!("    {}: {line}", plugin.told()));
        }
        for sent in plugin.host.fake().sent_since(plugin.calls_seen.get()) {
            plugin.calls_seen.set(plugin.calls_seen.get() + 1);
            // Reports of uses decide nothing: here all of them are lost.
            if sent.path().starts_with("/_latchkey/usage?") {
                continue;
            }
            let Ok(request) = FeedRequest::read(&mut QueryText::of_path(sent.path())) else { continue };
            let asked = sent.headers.iter().find(|(name, _)| name == latchkey_key_feed::FEED_VERSION_HEADER);
            let asked = FeedVersion::asked(asked.map(|(_, value)| value.as_bytes()));
            self.trace.tell(|| format!("    {} asks {}", plugin.told(), sent.path()));
            if self.promises.borrow_mut().note_request(plugin.table, &request) {
                self.ask_all_of(plugin.table.process);
            }
            let timeout = whole_millis(request.wait.unwrap_or_default()) + CALL_TIMEOUT_MS;
            let deadline = Deadline {
                monotonic: plugin.clocks.true_monotonic().0 + timeout,
                time: self.time.get() + timeout,
            };
            self.network.borrow_mut().0.push(Call {
                from: Rc::clone(plugin),
                id: sent.call,
                request,
                asked,
                deadline,
                state: CallState::Outgoing,
            });
        }
    }

    // The network.

    fn arrive(&self, which: u16, at: usize, stays: bool) {
        let outgoing = self.network.borrow().outgoing();
        let Some(place) = pick(&outgoing, which) else { return };
        let (request, asked) = {
            let network = self.network.borrow();
            (network.0[place].request.clone(), network.0[place].asked)
        };
        let answered = self.service.borrow_mut().arrive(at, &request, asked);
        let state = match answered {
            Answered::With(status, body) => CallState::Answered { status, body },
            Answered::Waits(request, wait_ms) => {
                CallState::Waiting { replica: at, request, until: self.time.get() + wait_ms }
            }
        };
        if stays {
            // The copy's answer is what the proxy gets; that of this one is lost.
            return;
        }
        self.network.borrow_mut().0[place].state = state;
        self.network.borrow_mut().forget_ended();
    }

    fn wake(&self, at: usize) {
        let mut network = self.network.borrow_mut();
        for place in network.waiting_at(at) {
            let call = &mut network.0[place];
            let CallState::Waiting { request, until, .. } = &call.state else { continue };
            let is_over = self.time.get() >= *until;
            if let Some((status, body)) = self.service.borrow_mut().answer_waiting(at, request, is_over) {
                call.state = CallState::Answered { status, body };
            }
        }
    }

    fn lose(&self, which: u16) {
        let mut network = self.network.borrow_mut();
        let places: Vec<_> = (0..network.0.len()).collect();
        if let Some(place) = pick(&places, which) {
            network.0[place].state = CallState::Lost;
        }
    }

    /// The calls of a plugin that its proxy gives up.
    fn time_out_calls(self: &Rc<Self>, plugin: &Rc<Plugin<H>>) {
        let now = plugin.clocks.true_monotonic().0;
        let is_over = |call: &Call<H>| {
            let is_lost = matches!(call.state, CallState::Lost);
            Rc::ptr_eq(&call.from, plugin) && (is_lost || now >= call.deadline.monotonic)
        };
        if plugin.thread.is_busy.get() {
            return;
        }
        let over: Vec<_> = self.network.borrow_mut().0.extract_if(.., |call| is_over(call)).collect();
        for call in over {
            self.on_thread(plugin, |plugin| {
                let lost = FakeAnswer::lost(plugin.host.fake());
                if let Some(root) = plugin.root.borrow().as_ref() {
                    root.answered(call.id, &lost);
                }
            });
        }
    }

    fn deliver(self: &Rc<Self>, place: usize, fate: Fate) {
        let plugin = Rc::clone(&self.network.borrow().0[place].from);
        if plugin.thread.is_busy.get() {
            return;
        }
        let call = self.network.borrow_mut().0.remove(place);
        let CallState::Answered { status, mut body } = call.state else { return };
        let now = Heard { monotonic: plugin.clocks.true_monotonic().0, time: self.time.get() };
        let status = match fate {
            Fate::Refused(status) => status,
            Fate::Cut(part) => {
                body.truncate(body.len() * usize::from(part) / 256);
                status
            }
            Fate::Whole | Fate::Twice => status,
        };
        self.trace.tell(|| format!("    {status} {}", String::from_utf8_lossy(&body)));
        if status == 200 && FeedHead::peek(&body).is_some_and(|head| !head.more && !head.reset && !head.ended)
        {
            let heard = Heard {
                monotonic: now.monotonic.min(call.deadline.monotonic),
                time: now.time.min(call.deadline.time),
            };
            self.promises.borrow_mut().note_heard(plugin.table, heard);
        }
        for _ in 0..if fate == Fate::Twice { 2 } else { 1 } {
            self.on_thread(&plugin, |plugin| {
                let answer = FakeAnswer::new(plugin.host.fake(), status, body.clone());
                if let Some(root) = plugin.root.borrow().as_ref() {
                    root.answered(call.id, &answer);
                }
            });
        }
    }

    // Who is meant.

    fn all_processes(&self) -> Vec<Rc<Process<H>>> {
        self.processes.borrow().clone()
    }

    fn pick_process(&self, which: u16) -> Option<Rc<Process<H>>> {
        pick(&self.all_processes(), which)
    }

    fn pick_plugin(&self, which: u16, is_meant: impl Fn(&Plugin<H>) -> bool) -> Option<Rc<Plugin<H>>> {
        let mut plugins = self.plugins();
        plugins.retain(|plugin| is_meant(plugin));
        pick(&plugins, which)
    }
}

/// How long an answer may take beyond the wait: the `fetch_timeout` of every configuration.
const CALL_TIMEOUT_MS: u64 = 1_000;

fn pick<T: Clone>(from: &[T], which: u16) -> Option<T> {
    (!from.is_empty()).then(|| from[which as usize % from.len()].clone())
}
