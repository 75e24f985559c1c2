//! Which credentials requests show: of keys that are good, that have just changed, that are dead, and of nobody.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_local_stack::key_service::CreatedKey;

use crate::dice::Dice;
use crate::limits::{ACKNOWLEDGED_KEYS_MAX, DEAD_KEYS_MAX, ELDER_EVERY, RECENT_KEYS_MAX};
use crate::model::{KeyNumber, Shown};

/// The keys to ask about.
#[derive(Debug, Default)]
pub(crate) struct Deck {
    credentials: HashMap<KeyNumber, CreatedKey>,
    live: Vec<KeyNumber>,
    recent: VecDeque<KeyNumber>,
    /// Keys of whose latest change the service has said that every edge goes by it.
    acknowledged: VecDeque<KeyNumber>,
    dead: VecDeque<KeyNumber>,
    elders: Vec<KeyNumber>,
}

/// A credential, and what it is.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) shown: Shown,
    /// The value of the header after the scheme; `None` for a request without one.
    pub(crate) encoded: Option<String>,
}

impl Deck {
    /// A new key.
    pub(crate) fn add(&mut self, number: KeyNumber, key: CreatedKey) {
        self.credentials.insert(number, key);
        self.live.push(number);
        self.has_changed(number);
    }

    /// A key that is to be asked about soon.
    pub(crate) fn has_changed(&mut self, number: KeyNumber) {
        push(&mut self.recent, RECENT_KEYS_MAX, number);
    }

    /// A key that no edge may answer about by anything older any more.
    pub(crate) fn is_acknowledged(&mut self, number: KeyNumber) {
        push(&mut self.acknowledged, ACKNOWLEDGED_KEYS_MAX, number);
    }

    /// A key that is dead from now on. Returns one that is not asked about any more.
    pub(crate) fn bury(&mut self, number: KeyNumber) -> Option<KeyNumber> {
        self.live.retain(|live| *live != number);
        self.has_changed(number);
        self.dead.push_back(number);
        let oldest = (self.dead.len() > DEAD_KEYS_MAX).then(|| self.dead.pop_front()).flatten()?;
        if oldest.is_multiple_of(ELDER_EVERY) {
            self.elders.push(oldest);
            return None;
        }
        self.credentials.remove(&oldest);
        Some(oldest)
    }

    /// The next credential to show.
    pub(crate) fn draw(&self, dice: &mut Dice) -> Drawn {
        match dice.below(100) {
            0..4 => Drawn { shown: Shown::Nothing, encoded: None },
            4..8 => forged("nobody", dice),
            8..14 => {
                match self.one_of(dice, |deck, dice| deck.live.get(dice.below(deck.live.len())).copied()) {
                    Some((_, key)) => forged(&key.id, dice),
                    None => forged("nobody", dice),
                }
            }
            14..24 => self.of_key(dice, |deck, dice| deck.dead.get(dice.below(deck.dead.len())).copied()),
            24..27 => self.of_key(dice, |deck, dice| deck.elders.get(dice.below(deck.elders.len())).copied()),
            27..42 => self.of_key(dice, |deck, dice| {
                deck.acknowledged.get(dice.below(deck.acknowledged.len())).copied()
            }),
            42..67 => self.of_key(dice, |deck, dice| deck.recent.get(dice.below(deck.recent.len())).copied()),
            _ => self.of_key(dice, |deck, dice| deck.live.get(dice.below(deck.live.len())).copied()),
        }
    }

    /// All keys that are asked about.
    pub(crate) fn all(&self) -> impl Iterator<Item = Drawn> {
        self.credentials.iter().map(|(number, key)| of(*number, key))
    }

    /// How many keys live.
    pub(crate) fn live_len(&self) -> usize {
        self.live.len()
    }

    fn of_key(&self, dice: &mut Dice, choose: impl FnOnce(&Self, &mut Dice) -> Option<KeyNumber>) -> Drawn {
        let chosen = self.one_of(dice, choose).map(|(number, key)| of(number, key));
        chosen.unwrap_or(Drawn { shown: Shown::Nothing, encoded: None })
    }

    fn one_of(
        &self,
        dice: &mut Dice,
        choose: impl FnOnce(&Self, &mut Dice) -> Option<KeyNumber>,
    ) -> Option<(KeyNumber, &CreatedKey)> {
        let number = choose(self, dice)?;
        Some((number, self.credentials.get(&number)?))
    }
}

/// Adds a key to the last few.
fn push(keys: &mut VecDeque<KeyNumber>, most: usize, number: KeyNumber) {
    if keys.len() >= most {
        keys.pop_front();
    }
    keys.push_back(number);
}

fn of(number: KeyNumber, key: &CreatedKey) -> Drawn {
    Drawn { shown: Shown::Key(number), encoded: Some(key.encoded.clone()) }
}

/// A credential with this id that nobody was ever given.
fn forged(id: &str, dice: &mut Dice) -> Drawn {
    let secret = format!("{:022}", dice.below(usize::MAX));
    Drawn { shown: Shown::Forged, encoded: Some(STANDARD.encode(format!("{id}:{secret}"))) }
}
