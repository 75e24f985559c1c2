//! How a run ends: nothing goes wrong any more, and after a while every edge is where the service is.

use std::rc::Rc;

use latchkey_filter::limits::HEADER_LIFE_MS;

use crate::asking::Answer;
use crate::history::Position;
use crate::host::SimHost;
use crate::invariants::{self, Broken};
use crate::network::CallState;
use crate::proxy::{Plugin, edge_name};
use crate::world::World;

/// How much time passes with each round, in milliseconds.
const ROUND_MS: u64 = 400;

/// Rounds in which every request that waits is answered, and whoever is stopped by that begins anew.
const ROUNDS_OF_A_WAIT: u32 = 12;

/// Rounds until an edge must be current: longer than it backs off, and than a lease lasts.
const ROUNDS_MAX: u32 = 600;

impl<H: SimHost> World<H> {
    /// Lets the world come to rest, and looks whether every edge is current then.
    pub(crate) fn settle(self: &Rc<Self>) -> Result<(), Broken> {
        self.trace.tell(|| "nothing goes wrong any more".to_owned());
        if !self.setting.stays_old {
            self.upgrade();
        }
        for machine in 0..self.setting.machines {
            self.service.borrow_mut().store.renew_key_of(&edge_name(machine));
        }
        for plugin in self.plugins().iter().filter(|plugin| plugin.is_draining.get()) {
            self.end_plugin(plugin);
        }
        for process in self.processes.borrow().iter() {
            process.revive(&self.configured);
        }
        for _ in 0..ROUNDS_MAX {
            self.round(ROUND_MS);
            self.look();
            self.so_far()?;
            if self.laggard().is_none() {
                break;
            }
        }
        if let Some(broken) = self.laggard() {
            return Err(broken);
        }
        // An answer that came late makes a table no younger than its call could. The next one does, and then no
        // VM goes by a header that it has read before.
        (0..ROUNDS_OF_A_WAIT).for_each(|_| self.round(ROUND_MS));
        self.pass(HEADER_LIFE_MS);
        self.compare_with_a_load()?;
        self.so_far()
    }

    /// A table that is not current, or does not wait for more.
    fn laggard(&self) -> Option<Broken> {
        let store = &self.service.borrow().store;
        let latest = Position { epoch: store.epoch, cursor: store.held.seq };
        let promises = self.promises.borrow();
        let judge = |plugin: &Rc<Plugin<H>>| {
            let acknowledged = promises.acknowledged(plugin.table);
            let waits = self.waits(plugin, latest);
            invariants::feed_goes_on(&plugin.told(), acknowledged, latest, waits)
        };
        self.plugins().iter().find_map(|plugin| judge(plugin).err())
    }

    /// Whether a request for what comes after is on its way, or held back.
    fn waits(&self, plugin: &Plugin<H>, latest: Position) -> bool {
        self.network.borrow().0.iter().any(|call| {
            call.from.table == plugin.table
                && !matches!(call.state, CallState::Lost)
                && call.request.after.0 == latest.cursor
        })
    }

    fn compare_with_a_load(self: &Rc<Self>) -> Result<(), Broken> {
        for plugin in self.plugins().iter().filter(|plugin| plugin.serves()) {
            for presented in self.all_presented() {
                let admitted = match self.ask(plugin, presented, false) {
                    Answer::Admitted(version) => Some(version),
                    Answer::NotAdmitted | Answer::Busy => None,
                };
                let by_a_load = self.service.borrow().store.admits(presented, plugin.clocks.true_wall());
                invariants::edges_converge(&plugin.told(), presented, admitted, by_a_load)?;
            }
        }
        Ok(())
    }
}
