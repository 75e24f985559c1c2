//! Changes of keys at the key service. Each changer has keys of its own, which it changes one change at a time.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::http::{Request, Response};
use latchkey_local_stack::key_service::CreatedKey;
use serde_json::{Value, json};

use crate::book::Book;
use crate::dice::Dice;
use crate::limits::{CHANGE_PATIENCE, CLOCK_SLACK};
use crate::model::history::{KeyHistory, State};
use crate::model::{At, KeyNumber};
use crate::pace::Pace;
use crate::service::{ServiceConnection, ServicePlace};

/// Where keys are made and changed.
const KEYS: &str = "/_security/api_key";

/// Keys that are made one after the other under one name, by which they are invalidated together.
const BATCH_LEN: u64 = 20;

/// How often a changer asks whether all edges go by a change, before it lets that be.
const ACKNOWLEDGEMENT_TRIES: u32 = 4;

/// What a changer does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// Its number, in the names of its keys.
    pub(crate) number: u32,
    /// Keys that it keeps alive.
    pub(crate) keys: usize,
    /// How long it waits for all edges to go by its changes, if it does.
    pub(crate) waits: Option<Duration>,
}

/// Somebody who changes keys.
#[derive(Debug)]
pub(crate) struct Changer<'a> {
    book: &'a Book,
    service: ServiceConnection<'a>,
    task: Task,
    dice: Dice,
    own: Vec<Own>,
    made: u64,
}

/// A key of a changer.
#[derive(Clone, Debug)]
struct Own {
    number: KeyNumber,
    id: String,
    name: String,
    version: u64,
    expires: Option<At>,
}

/// What one step changed.
type Changed = Result<usize>;

impl<'a> Changer<'a> {
    pub(crate) fn new(book: &'a Book, place: &'a ServicePlace, task: Task, dice: Dice) -> Self {
        let service = ServiceConnection::new(place);
        Self { book, service, task, dice, own: Vec::new(), made: 0 }
    }

    /// Changes keys until the run ends.
    pub(crate) fn run(mut self, mut pace: Pace) {
        while !self.book.stops() {
            match self.step() {
                Ok(changed) => pace.wait(self.book, u32::try_from(changed).unwrap_or(u32::MAX).max(1)),
                Err(error) => {
                    self.book.open().is_wrong("a change failed", &format!("{error:#}"));
                    return;
                }
            }
        }
    }

    fn step(&mut self) -> Changed {
        self.let_expire();
        match self.dice.below(100) {
            _ if self.own.len() >= self.task.keys => self.invalidate_batch(),
            _ if self.own.len() < self.task.keys / 2 => self.create(),
            0..55 => self.create(),
            55..88 => self.update(),
            _ => self.invalidate_one(),
        }
    }

    fn create(&mut self) -> Changed {
        let name = format!("soak-{}-{}", self.task.number, self.made / BATCH_LEN);
        self.made += 1;
        let mut body = json!({"name": name, "metadata": {"version": "0"}});
        if self.dice.happens(10) {
            let lives = format!("{}s", 10 + self.dice.below(40));
            body.as_object_mut().context("an object")?.insert("expiration".to_owned(), json!(lives));
        }
        let request = Request::new("POST", KEYS).json(&body);
        let sent = self.book.now();
        // A key whose answer is lost is never shown to anybody, and another is made.
        let Ok(answer) = self.service.ask(&request) else {
            std::thread::sleep(Duration::from_millis(50));
            return Ok(0);
        };
        if matches!(answer.status, 429 | 503) {
            std::thread::sleep(Duration::from_millis(50));
            return Ok(0);
        }
        let answered = self.book.now();
        let told = succeeded(&answer)?;
        let text = |field: &str| Some(told.get(field)?.as_str()?.to_owned());
        let key =
            || Some(CreatedKey { id: text("id")?, secret: text("api_key")?, encoded: text("encoded")? });
        let key = key().with_context(|| format!("a key without parts: {told}"))?;
        let expires =
            told.get("expiration").and_then(Value::as_u64).map(|at| self.moment_of(at)).transpose()?;
        let number = self.book.next_key();
        let history = KeyHistory::made(key.id.clone(), sent, answered, expires);
        self.own.push(Own { number, id: key.id.clone(), name, version: 0, expires });
        self.book.open().is_made(number, key, history);
        Ok(1)
    }

    fn update(&mut self) -> Changed {
        let candidates: Vec<_> = self
            .own
            .iter()
            .enumerate()
            .filter(|(_, own)| own.expires.is_none())
            .map(|(index, _)| index)
            .collect();
        let Some(index) = candidates.get(self.dice.below(candidates.len())) else { return self.create() };
        let own = self.own.get_mut(*index).context("a key of its own")?;
        own.version += 1;
        let (number, version, path) = (own.number, own.version, format!("{KEYS}/{}", own.id));
        let request = |query: &str| {
            let body = json!({"metadata": {"version": version.to_string()}});
            Request::new("PUT", &format!("{path}{query}")).json(&body)
        };
        let (told, is_first) = self.change(&[number], State::Valid { version }, request)?;
        ensure!(told.get("updated") == Some(&json!(true)) || !is_first, "an update changed nothing: {told}");
        self.book.open().counts.updated += 1;
        Ok(1)
    }

    fn invalidate_one(&mut self) -> Changed {
        if self.own.is_empty() {
            return self.create();
        }
        let own = self.own.swap_remove(self.dice.below(self.own.len()));
        let body = json!({"ids": [own.id]});
        self.invalidate(vec![own], &body)
    }

    /// Ends all that have the name of the oldest of its keys.
    fn invalidate_batch(&mut self) -> Changed {
        let oldest = self.own.iter().min_by_key(|own| own.number).context("a key of its own")?;
        let name = oldest.name.clone();
        let (ended, kept) = std::mem::take(&mut self.own).into_iter().partition(|own| own.name == name);
        self.own = kept;
        let changed = self.invalidate(ended, &json!({"name": name}))?;
        self.book.open().counts.in_bulk += u64::try_from(changed)?;
        Ok(changed)
    }

    fn invalidate(&mut self, ended: Vec<Own>, body: &Value) -> Changed {
        let numbers: Vec<_> = ended.iter().map(|own| own.number).collect();
        let request = |query: &str| Request::new("DELETE", &format!("{KEYS}{query}")).json(body);
        let (told, is_first) = self.change(&numbers, State::Ended, request)?;
        let invalidated = told.get("invalidated_api_keys").and_then(Value::as_array);
        let invalidated: BTreeSet<_> = invalidated.into_iter().flatten().filter_map(Value::as_str).collect();
        let missed = ended.iter().find(|own| own.expires.is_none() && !invalidated.contains(own.id.as_str()));
        if let Some(Own { id, .. }) = missed.filter(|_| is_first) {
            anyhow::bail!("the key {id} was not invalidated with the others: {told}");
        }
        let mut pages = self.book.open();
        pages.bury(&numbers);
        pages.counts.invalidated += u64::try_from(numbers.len())?;
        Ok(numbers.len())
    }

    /// Asks for a change until it is answered, and then, if that is the task, until all edges go by it. Also tells
    /// whether it was asked for only once.
    fn change(
        &mut self,
        numbers: &[KeyNumber],
        state: State,
        request: impl Fn(&str) -> Request,
    ) -> Result<(Value, bool)> {
        let query = self.task.waits.map(|wait| format!("?wait_for_edges={}s", wait.as_secs()));
        let request = request(&query.unwrap_or_default());
        self.book.open().is_asked(numbers, state, self.book.now());
        let (answer, is_first) = self.service.insist(&request, CHANGE_PATIENCE)?;
        let told = succeeded(&answer)?;
        let mut is_complete = is_complete(&told);
        self.book.open().is_answered(numbers, is_complete, self.book.now());
        let mut tries = u32::from(self.task.waits.is_some());
        while !is_complete && (1..ACKNOWLEDGEMENT_TRIES).contains(&tries) && !self.book.stops() {
            let (again, _) = self.service.insist(&request, CHANGE_PATIENCE)?;
            is_complete = self::is_complete(&succeeded(&again)?);
            self.book.open().is_answered(numbers, is_complete, self.book.now());
            tries += 1;
        }
        if is_complete {
            self.book.open().counts.acknowledged += u64::try_from(numbers.len())?;
        }
        Ok((told, is_first))
    }

    /// Leaves alone what will expire before a change of it is answered.
    fn let_expire(&mut self) {
        let soon = self.book.now() + 2 * CLOCK_SLACK;
        let expire: Vec<_> =
            self.own.iter().filter(|own| own.expires.is_some_and(|end| end < soon)).collect();
        let numbers: Vec<_> = expire.iter().map(|own| own.number).collect();
        if !numbers.is_empty() {
            self.own.retain(|own| !numbers.contains(&own.number));
            let mut pages = self.book.open();
            // It still has its name, by which it may be ended with others.
            pages.is_asked(&numbers, State::Ended, self.book.now());
            pages.bury(&numbers);
        }
    }

    /// The moment of a time in milliseconds since 1970.
    fn moment_of(&self, millis: u64) -> Result<At> {
        let ahead =
            Duration::from_millis(millis).saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH)?);
        Ok(self.book.now() + ahead)
    }
}

fn succeeded(answer: &Response) -> Result<Value> {
    ensure!(answer.status == 200, "the key service answered {}: {}", answer.status, answer.text());
    answer.json()
}

fn is_complete(told: &Value) -> bool {
    told.pointer("/edges/complete") == Some(&json!(true))
}
