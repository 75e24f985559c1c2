//! How a plugin leaves its table: the last one clears it away, and says goodbye.
//!
//! | state     | event                     | does                                              | next      |
//! |-----------|---------------------------|---------------------------------------------------|-----------|
//! | Lingering | tick, its time is over    | counts itself out                                 | Over, or Clearing if it was the last |
//! | Clearing  | tick                      | clears a slice                                    | Clearing, then Sending |
//! | Sending   | the call was made         |                                                   | Awaiting  |
//! | Sending   | the call could not be made |                                                  | Over      |
//! | Awaiting  | an answer, or no answer in time |                                             | Over      |
//!
//! The goodbye says that nothing of this instance admits any more. It is true whoever is left: before it is
//! said, no table is live, every page is cleared and the change stamp has moved. A VM that still has a
//! request finds no table, and a table that is loaded from here on is another instance's. So a count that is
//! wrong can keep the goodbye from being said, but cannot make it false.
//!
//! The work of a plugin that has ended is done by another one of the same VM. When the whole VM ends there is
//! nobody to do it.
//!
//! A plugin that ends lingers first. A new configuration ends the old plugin of each VM and begins a new one,
//! which counts itself in with its first tick; if the old ones left at once, the table could be given up
//! between the two.

use latchkey_key_feed::MonotonicMillis;

use super::CallId;
use super::poll::{FeedEndpoint, Poll};
use super::register::{Register, TableNumber};
use super::sink::{Clearing, FeedSink};
use crate::limits::{GOODBYE_MS, LINGER_MS};
use crate::table::{Directory, FeedTable as _, Progress, SharedEntries, SharedNames, TableIdentity};

/// One plugin on its way out.
pub struct Departure<S, K: FeedSink> {
    register: Register<S>,
    directory: Directory<S>,
    sink: K,
    table: TableIdentity,
    number: TableNumber,
    request: FeedEndpoint,
    state: State<Clearing<K>>,
}

enum State<C> {
    Lingering { until: MonotonicMillis },
    Clearing(C),
    Sending,
    Awaiting { call: CallId, until: MonotonicMillis },
    Over,
}

impl<S: SharedEntries + Clone, K: FeedSink> Departure<S, K> {
    /// Begins to leave the table that was entered with that number.
    pub fn begin(
        store: &S,
        names: &SharedNames,
        sink: K,
        number: TableNumber,
        request: FeedEndpoint,
        now: MonotonicMillis,
    ) -> Self {
        Self {
            register: Register::new(store.clone(), names),
            directory: Directory::new(store.clone()),
            sink,
            table: names.table(),
            number,
            request,
            state: State::Lingering { until: now.plus_millis(LINGER_MS) },
        }
    }
}

impl<S: SharedEntries, K: FeedSink> Departure<S, K> {
    /// Time has passed. The request, if any, is to be sent now, and reported with [`Self::sent`] or
    /// [`Self::not_sent`].
    pub fn tick(&mut self, now: MonotonicMillis) -> Option<Poll> {
        match &mut self.state {
            State::Lingering { until } if now >= *until => {
                self.state = self.count_out();
                None
            }
            State::Clearing(clearing) => {
                if self.sink.table().clear(clearing) == Progress::Continues {
                    return None;
                }
                self.directory.remove(self.table);
                self.state = State::Sending;
                Some(self.request.goodbye())
            }
            State::Awaiting { until, .. } if now >= *until => {
                self.state = State::Over;
                None
            }
            State::Lingering { .. } | State::Sending | State::Awaiting { .. } | State::Over => None,
        }
    }

    /// The goodbye is on its way.
    pub fn sent(&mut self, call: CallId, now: MonotonicMillis) {
        self.state = State::Awaiting { call, until: now.plus_millis(GOODBYE_MS) };
    }

    /// The host would not send the goodbye. The service learns of the end by itself, when nothing could be
    /// admitted any more.
    pub fn not_sent(&mut self) {
        self.state = State::Over;
    }

    /// A call has ended. Says whether it was the goodbye.
    pub fn answered(&mut self, call: CallId) -> bool {
        let is_awaited = matches!(self.state, State::Awaiting { call: awaited, .. } if awaited == call);
        if is_awaited {
            self.state = State::Over;
        }
        is_awaited
    }

    /// Ends at once, without a goodbye, because the VM ends too. The table stays as it is for later VMs.
    pub fn without_goodbye(self) {
        self.register.count_out(self.number);
    }

    /// Whether the plugin may end.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether the next tick has work to do, and should come soon.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Clearing(_))
    }

    fn count_out(&self) -> State<Clearing<K>> {
        if !self.register.leave(self.number) {
            return State::Over;
        }
        match self.sink.table().close() {
            Ok(clearing) => State::Clearing(clearing),
            // Another VM keeps writing the header, so the table is in use.
            Err(_) => State::Over,
        }
    }
}
