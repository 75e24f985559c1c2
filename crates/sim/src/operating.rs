//! What is done to the key service, its keys and its store.

use latchkey_key_feed::FeedVersion;

use crate::host::SimHost;
use crate::network::CallState;
use crate::proxy::edge_name;
use crate::world::World;

impl<H: SimHost> World<H> {
    pub(crate) fn write(&self, key: u16, lives_ms: Option<u64>) {
        let mut service = self.service.borrow_mut();
        let now = service.replicas[0].clocks.true_wall();
        let expiration = lives_ms.map(|millis| now.plus_millis(millis));
        service.store.write(key as usize % self.setting.keys, expiration);
    }

    pub(crate) fn rotate(&self, key: u16, overlap_ms: u64) {
        let mut service = self.service.borrow_mut();
        let until = service.replicas[0].clocks.true_wall().plus_millis(overlap_ms);
        service.store.rotate(key as usize % self.setting.keys, until);
    }

    pub(crate) fn edge_of(&self, machine: u16) -> String {
        edge_name(machine as usize % self.setting.machines)
    }

    pub(crate) fn restart(&self, at: usize) {
        self.service.borrow_mut().restart(at);
        let mut network = self.network.borrow_mut();
        for place in network.waiting_at(at) {
            network.0[place].state = CallState::Lost;
        }
    }

    pub(crate) fn restore(&self, restarts: bool) {
        let now = self.service.borrow().replicas[0].clocks.true_wall();
        self.service.borrow_mut().store.restore(now);
        if restarts {
            (0..self.setting.replicas).for_each(|at| self.restart(at));
        }
    }

    pub(crate) fn upgrade(&self) {
        let last = self.setting.replicas - 1;
        let is_old = self.service.borrow().replicas[last].version == FeedVersion::V1;
        if is_old {
            self.service.borrow_mut().replicas[last].version = FeedVersion::V2;
            self.restart(last);
        }
    }
}
