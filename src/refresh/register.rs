//! The plugins of one table in one process count themselves.
//!
//! Every VM has a plugin for each configuration that follows the feed. The first to come draws a number for
//! the table; all that come after share it, and say for how long they may admit after a refresh. The last to
//! leave removes the number, so a plugin that comes later belongs to another instance.
//!
//! A plugin enters with its first tick, because a VM that only checks a configuration never ticks and never
//! says that it leaves. A VM that dies does not say so either, so the count may stay too high. Then nobody is
//! the last, and the goodbye is never said, which is safe.

use crate::limits::SWAP_TRIES_MAX;
use crate::table::{EntryName, SharedEntries, SharedNames, TableEntry, Unread};

/// The entry, seen by one plugin.
#[derive(Clone)]
pub struct Register<S> {
    store: S,
    name: EntryName,
}

/// The number of a table, which its plugins share and no other table of any process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableNumber(pub u64);

/// The content of the entry.
#[derive(Clone, Copy, Default)]
struct RegisterEntry {
    /// 0 when no plugin has come yet, or all have left.
    number: u64,
    plugins: u32,
    /// The longest time, in milliseconds, for which a plugin that has entered may admit after a refresh.
    refuse_after_ms: u64,
}

impl<S: SharedEntries> Register<S> {
    /// The register of the table with those names.
    pub fn new(store: S, names: &SharedNames) -> Self {
        Self { store, name: names.entry(TableEntry::Register) }
    }

    /// Counts a plugin in that may admit for so long after a refresh; `drawn` becomes the number of the table
    /// if nobody is there. `None` when others keep writing: it is to be tried again.
    pub fn enter(&self, drawn: u64, refuse_after_ms: u64) -> Option<TableNumber> {
        let entered = self.change(&|mut registered| {
            if registered.number == 0 {
                registered.number = drawn.max(1);
            }
            registered.plugins = registered.plugins.saturating_add(1);
            registered.refuse_after_ms = registered.refuse_after_ms.max(refuse_after_ms);
            Some(registered)
        })?;
        Some(TableNumber(entered.number))
    }

    /// Counts a plugin out that had entered under that number. Says whether it was the last.
    pub fn leave(&self, number: TableNumber) -> bool {
        let left = self.change(&|mut registered| {
            if registered.number != number.0 {
                return None;
            }
            registered.plugins = registered.plugins.saturating_sub(1);
            Some(if registered.plugins == 0 { RegisterEntry::default() } else { registered })
        });
        left.is_some_and(|registered| registered.number == 0)
    }

    /// Counts a plugin out that had entered under that number, and keeps the number even if it was the last:
    /// whoever comes goes on as the same instance.
    pub fn count_out(&self, number: TableNumber) {
        self.change(&|registered| {
            let plugins = registered.plugins.saturating_sub(1);
            (registered.number == number.0).then_some(RegisterEntry { plugins, ..registered })
        });
    }

    /// The number of the table, if it has one.
    pub fn number(&self) -> Option<TableNumber> {
        Some(TableNumber(self.read().number)).filter(|number| number.0 != 0)
    }

    /// Lets the table have a number that it had before, in a process that has ended. Says whether it has it now:
    /// not if it has got another meanwhile.
    pub fn restore(&self, number: TableNumber) -> bool {
        let restored = self.change(&|registered| match registered.number {
            0 => Some(RegisterEntry { number: number.0, ..registered }),
            known => (known == number.0).then_some(registered),
        });
        restored.is_some() && number.0 != 0
    }

    /// For how long any of the plugins may admit after a refresh, in milliseconds.
    pub fn refuse_after_ms(&self) -> u64 {
        self.read().refuse_after_ms
    }

    fn read(&self) -> RegisterEntry {
        RegisterEntry::decode(&self.store.read(self.name).bytes).unwrap_or_default()
    }

    fn change(&self, change: &dyn Fn(RegisterEntry) -> Option<RegisterEntry>) -> Option<RegisterEntry> {
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(self.name);
            let changed = change(RegisterEntry::decode(&entry.bytes).unwrap_or_default())?;
            if self.store.swap(self.name, &changed.encode(), entry.version).is_ok() {
                return Some(changed);
            }
        }
        None
    }
}

impl RegisterEntry {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut unread = Unread(bytes);
        let (number, plugins) = (unread.u64()?, unread.u32()?);
        Some(Self { number, plugins, refuse_after_ms: unread.u64()? })
    }

    fn encode(self) -> Vec<u8> {
        let Self { number, plugins, refuse_after_ms } = self;
        [&number.to_le_bytes()[..], &plugins.to_le_bytes(), &refuse_after_ms.to_le_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{FeedIdentity, RecordShape};
    use crate::testing::FakeSharedData;

    fn register() -> Register<FakeSharedData> {
        let names = SharedNames::of(&FeedIdentity::of("c", "a", "/p"), RecordShape::default());
        Register::new(FakeSharedData::default(), &names)
    }

    #[test]
    fn the_plugins_of_a_table_share_the_number_of_the_first() {
        let register = register();
        assert_eq!(
            [7, 8, 9].map(|drawn| register.enter(drawn, 1_000)),
            [Some(TableNumber(7)), Some(TableNumber(7)), Some(TableNumber(7))]
        );
    }

    #[test]
    fn the_last_to_leave_takes_the_number_with_it() {
        let register = register();
        let number = register.enter(7, 1_000).unwrap();
        register.enter(8, 1_000);
        assert!(!register.leave(number));
        assert!(register.leave(number));
        assert!(!register.leave(number), "nobody leaves twice");
        assert_eq!(register.enter(9, 1_000), Some(TableNumber(9)));
        assert!(!register.leave(number), "who was there before does not count");
    }

    #[test]
    fn the_table_may_serve_for_as_long_as_the_most_patient_plugin() {
        let register = register();
        for refuse_after_ms in [1_000, 60_000, 5_000] {
            register.enter(7, refuse_after_ms);
        }
        assert_eq!(register.refuse_after_ms(), 60_000);
    }

    #[test]
    fn who_is_counted_out_leaves_the_number_to_those_who_come() {
        let register = register();
        let number = register.enter(7, 1_000).unwrap();
        register.count_out(number);
        assert_eq!(register.enter(8, 1_000), Some(number));
        assert!(register.leave(number));
    }

    #[test]
    fn a_vm_that_died_keeps_the_others_from_being_the_last() {
        let register = register();
        let number = register.enter(7, 1_000).unwrap();
        // The VM in its place enters as well.
        register.enter(8, 1_000);
        assert!(!register.leave(number));
    }

    #[test]
    fn a_number_is_restored_before_anybody_comes_and_never_in_the_place_of_another() {
        let register = register();
        assert_eq!(register.number(), None);
        assert!(!register.restore(TableNumber(0)), "that is none");
        assert!(register.restore(TableNumber(7)) && register.restore(TableNumber(7)));
        assert!(!register.restore(TableNumber(8)));
        assert_eq!(register.enter(9, 1_000), Some(TableNumber(7)));
        assert_eq!((register.number(), register.leave(TableNumber(7))), (Some(TableNumber(7)), true));
    }
}
