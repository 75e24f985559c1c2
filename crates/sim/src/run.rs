//! One run: a seed decides the setting and the schedule, and they decide everything else.

use latchkey_filter::testing::FakeHost;

use crate::dice::Dice;
use crate::host::{SimHost, ThreadHost};
use crate::invariants::Broken;
use crate::schedule::{self, Step};
use crate::setting::Setting;
use crate::trace::Trace;
use crate::world::World;

/// What is run.
#[derive(Clone, Debug)]
pub struct Case {
    /// In what the tables are kept.
    pub tables: Tables,
    /// How the fleet is made.
    pub setting: Setting,
    /// What happens.
    pub schedule: Vec<Step>,
}

/// In what the tables of a fleet are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// In pages of shared data, as by the Wasm filter.
    Paged,
    /// In plain memory, as by the native module.
    Memory,
}

impl Tables {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Paged, Self::Memory];

    /// What it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paged => FakeHost::NAME,
            Self::Memory => ThreadHost::NAME,
        }
    }
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn of(seed: u64, tables: Tables) -> Self {
        let mut dice = Dice::of(seed);
        let setting = Setting::draw(&mut dice);
        let setting = match tables {
            Tables::Paged => setting.of_vms(),
            Tables::Memory => setting.of_threads(),
        };
        let schedule = schedule::draw(&mut dice, &setting);
        Self { tables, setting, schedule }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// The first promise that is broken.
    pub fn run(&self) -> Result<(), Broken> {
        self.run_with(Trace::default()).0
    }

    /// Runs it, and tells what happened.
    pub fn tell(&self) -> (Result<(), Broken>, Vec<String>) {
        self.run_with(Trace::kept())
    }

    fn run_with(&self, trace: Trace) -> (Result<(), Broken>, Vec<String>) {
        match self.tables {
            Tables::Paged => self.run_on::<FakeHost>(trace),
            Tables::Memory => self.run_on::<ThreadHost>(trace),
        }
    }

    fn run_on<H: SimHost>(&self, trace: Trace) -> (Result<(), Broken>, Vec<String>) {
        let world = World::<H>::new(&self.setting, trace);
        let steps = self.schedule.iter().try_for_each(|step| world.step(step));
        let outcome = steps.and_then(|()| world.settle());
        (outcome, world.trace.lines())
    }
}
