//! The keys of a user who is shut out, or let in again.

use latchkey_key_feed::{Cursor, KeyId, UnixMillis};

use super::Account;
use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::limits::KEYS_ENDED_AT_ONCE_MAX;
use crate::store::directory::tell_of_change;
use crate::store::sql::directory_rows::suspension::{ToldAgain, tell_the_rest_again};
use crate::store::{KeyStore, StoreError, invalidation};

/// What is told of the keys of an account that was enabled, and of how many in a transaction.
pub(super) const RESUMED: (ChangeAction, usize) = (ChangeAction::ResumeApiKeys, KEYS_ENDED_AT_ONCE_MAX);

/// What happens to the keys of a user who is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOfUser {
    /// They end: so many in the same transaction, and the rest in parts of as many.
    End {
        /// How many.
        at_once_max: usize,
    },
    /// They go on working.
    Keep,
    /// Those of a service account stop until it is enabled again. Those of others go on working.
    Suspend {
        /// Of how many edges are told in the same transaction; of the rest in parts of as many.
        at_once_max: usize,
    },
}

/// What happened to the keys of a user who was shut out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysLeft {
    /// The keys that were ended.
    pub ended: Vec<KeyId>,
    /// How many go on working.
    pub working: u64,
    /// The keys that were suspended, or that work again.
    pub told: Vec<KeyId>,
    /// The cursor after the keys were ended, suspended or resumed; `None` when none was.
    pub cursor: Option<Cursor>,
}

/// What a transaction did that shuts a user out.
#[derive(Debug)]
pub(in crate::store) struct ShutOut {
    pub(in crate::store) left: KeysLeft,
    /// Whether it did that to all keys that were meant.
    pub(in crate::store) is_whole: bool,
    /// Where the feed stood, if keys were suspended or resumed.
    told_since: Option<Cursor>,
}

impl KeysOfUser {
    /// They end.
    pub const END: Self = Self::End { at_once_max: KEYS_ENDED_AT_ONCE_MAX };
    /// They are suspended.
    pub const SUSPEND: Self = Self::Suspend { at_once_max: KEYS_ENDED_AT_ONCE_MAX };
}

impl KeysLeft {
    pub(super) fn append(&mut self, later: Self) {
        self.ended.extend(later.ended);
        self.told.extend(later.told);
        self.working = later.working;
        self.cursor = later.cursor.or(self.cursor);
    }
}

impl ShutOut {
    /// Takes notice of keys that were suspended, or that work again.
    pub(in crate::store) fn note(&mut self, told: ToldAgain) {
        self.left.told.extend(told.keys);
        self.left.cursor = told.cursor.or(self.left.cursor);
        (self.is_whole, self.told_since) = (told.is_whole, Some(told.since));
    }

    /// Does to the keys that the transaction left for later what was done to the first.
    pub(super) async fn finish(
        &mut self,
        store: &KeyStore,
        account: &Account,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        match keys {
            KeysOfUser::Keep => Ok(()),
            KeysOfUser::End { .. } => self.end_the_rest(store, account, keys, actor, now).await,
            KeysOfUser::Suspend { at_once_max } => {
                let what = (ChangeAction::SuspendApiKeys, at_once_max);
                self.tell_the_rest(store, account, what, actor, now).await
            }
        }
    }

    /// Tells edges part by part of the keys that the transaction left for later. If that fails, the account is disabled or
    /// enabled as it was asked for, and so are its keys at the service, but not at every edge: whoever disables it again
    /// tells of all.
    pub(super) async fn tell_the_rest(
        &mut self,
        store: &KeyStore,
        account: &Account,
        (action, at_once_max): (ChangeAction, usize),
        actor: Actor,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let event = ChangeEvent { at: now, action, actor, key_ids: Vec::new() };
        while let (false, Some(since)) = (self.is_whole, self.told_since) {
            let told = tell_the_rest_again(&store.database, account, since, at_once_max, &event).await;
            store.health.note(&told);
            let (told, committed) = told?;
            committed.iter().for_each(|committed| tell_of_change(store, committed));
            self.note(told);
        }
        Ok(())
    }

    /// Ends the keys that the transaction left for later, part by part, until there are none. If that fails, whoever asks
    /// for the change again ends them: the user is still there, and disabled.
    async fn end_the_rest(
        &mut self,
        store: &KeyStore,
        account: &Account,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let KeysOfUser::End { at_once_max } = keys else { return Ok(()) };
        if self.is_whole {
            return Ok(());
        }
        let action = ChangeAction::InvalidateApiKeys;
        let event = ChangeEvent { at: now, action, actor, key_ids: Vec::new() };
        let [of_keys, own] = account.keys();
        // Between two parts a key that still lives may have made another.
        for filter in [of_keys.clone(), own, of_keys] {
            let part = invalidation::in_parts(store.clone(), filter, event.clone(), at_once_max).await?;
            self.left.ended.extend(part.outcome);
            self.left.cursor = part.cursor.or(self.left.cursor);
        }
        Ok(())
    }
}

impl Default for ShutOut {
    fn default() -> Self {
        Self { left: KeysLeft::default(), is_whole: true, told_since: None }
    }
}
