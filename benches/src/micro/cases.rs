//! What is measured by itself.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_filter::clock::Moment;
use latchkey_filter::config::StalenessLimits;
use latchkey_filter::credential::CredentialSources;
use latchkey_filter::gate::{self, Verdict, WaitingTime};
use latchkey_filter::headers::HeaderPairs;
use latchkey_filter::identity::IdentityHeaders;
use latchkey_filter::rules::{Asked, Authentication, RightsUnknown};
use latchkey_filter::table::{
    Changes, FeedIdentity, FeedTable as _, KeyTable as _, Progress, RecordShape, Refresh, SharedNames,
    TableReader, TableWriter,
};
use latchkey_filter::testing::FakeSharedData;
use latchkey_filter::usage::UsageCounter;
use latchkey_key_feed::{
    Cursor, Epoch, FeedPage, FeedRow, KeptSecrets, KeyId, KeyRecord, KeySecret, MonotonicMillis, Owner, Salt,
    SecretDigest, UnixMillis,
};

use super::rules;

/// One of them, ready to run as often as one likes.
pub struct Case {
    /// Its name in figures.
    pub name: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    /// Does it once.
    pub run: Box<dyn Fn()>,
}

/// Keys of the table: those of one page of the feed.
const KEYS: u64 = 1_000;
pub(super) const SECRET: &str = "0123456789abcdefghijkl";
const REFRESHED: Refresh = Refresh { at: NOW, serves_ms: 3_600_000 };

pub(super) const NOW: Moment =
    Moment { wall: UnixMillis(1_767_225_600_000), monotonic: MonotonicMillis(1_000_000) };
pub(super) const LIMITS: StalenessLimits =
    StalenessLimits { stale_after: Duration::from_secs(60), refuse_after: Duration::from_secs(3_600) };

impl Case {
    /// The one of that name.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be made.
    pub fn named(name: &str) -> Result<Self> {
        if let Some(case) = rules::case(name)? {
            return Ok(case);
        }
        let found = Self::all()?.into_iter().find(|case| case.name == name);
        found.with_context(|| format!("there is no case {name}"))
    }

    /// All of the pure parts, one by one.
    ///
    /// # Errors
    ///
    /// When the table cannot be built, or a case would not do what it is said to do.
    pub fn all() -> Result<Vec<Self>> {
        let edge = Rc::new(Edge::new()?);
        let requests = |id: fn(u64) -> String, secret: &'static str| -> Vec<HeaderPairs> {
            (0..KEYS).map(|number| request(&id(number), secret)).collect()
        };
        let accepted = requests(id_of, SECRET);
        let sources = CredentialSources::default();
        let [kept, read, told] = [(); 3].map(|()| Rc::clone(&edge));
        Ok(vec![
            case(
                "credential",
                "reading a credential",
                over(accepted.clone(), move |headers| matches!(sources.extract(headers), Ok(Some(_))))?,
            ),
            edge.deciding(
                "accepted-kept",
                "deciding, the page kept by the VM",
                &accepted,
                kept,
                false,
                true,
            )?,
            edge.deciding(
                "accepted-read",
                "deciding, the page read from shared data",
                &accepted,
                read,
                true,
                true,
            )?,
            edge.deciding(
                "wrong-secret",
                "refusing a wrong secret",
                &requests(id_of, "not the secret of it"),
                Rc::clone(&edge),
                false,
                false,
            )?,
            edge.deciding(
                "unknown-id",
                "refusing an unknown id",
                &requests(|number| format!("no-key-{number:013}"), SECRET),
                Rc::clone(&edge),
                false,
                false,
            )?,
            counting_a_use()?,
            told.telling(&accepted)?,
            reading_a_page(&edge.answer)?,
            building_a_table(&edge.answer),
            applying_a_change()?,
        ])
    }
}

/// A table of [`KEYS`] keys, and a VM that reads it.
pub(super) struct Edge {
    answer: Vec<u8>,
    pub(super) reader: TableReader<FakeSharedData>,
    pub(super) sources: CredentialSources,
}

impl Edge {
    pub(super) fn new() -> Result<Self> {
        let answer = page((1..=KEYS).map(|seq| row(seq, seq - 1)).collect())?.to_json()?;
        let store = FakeSharedData::default();
        build(&TableWriter::new(store.clone(), names()), &answer)?;
        Ok(Self { answer, reader: TableReader::new(store, names()), sources: CredentialSources::default() })
    }

    fn admits(&self, headers: &HeaderPairs) -> bool {
        let presented = || self.sources.extract(headers);
        let required = Asked::only(Authentication::Required);
        let verdict =
            gate::decide(presented, &required, &self.reader, &RightsUnknown, &LIMITS, WaitingTime::Over, NOW);
        matches!(black_box(verdict), Verdict::Admit(_))
    }

    fn deciding(
        &self,
        name: &'static str,
        about: &'static str,
        requests: &[HeaderPairs],
        edge: Rc<Self>,
        forgetting: bool,
        admits: bool,
    ) -> Result<Case> {
        let run = over(requests.to_vec(), move |headers| {
            if forgetting {
                edge.reader.clear_cache();
            }
            edge.admits(headers) == admits
        })?;
        Ok(Case { name, about, run })
    }

    fn telling(&self, requests: &[HeaderPairs]) -> Result<Case> {
        let headers = requests.first().context("there are requests")?.clone();
        let sources = CredentialSources::default();
        let presented = || sources.extract(&headers);
        let required = Asked::only(Authentication::Required);
        let verdict =
            gate::decide(presented, &required, &self.reader, &RightsUnknown, &LIMITS, WaitingTime::Over, NOW);
        let Verdict::Admit(admission) = verdict else { anyhow::bail!("the key is not admitted") };
        let identity = IdentityHeaders::default();
        let run = over(vec![headers], move |headers| {
            black_box(identity.edits(headers, Some(&admission.key), sources.strip(headers))).len() > 1
        })?;
        Ok(case("edits", "working out the edits of headers", run))
    }
}

fn case(name: &'static str, about: &'static str, run: Box<dyn Fn()>) -> Case {
    Case { name, about, run }
}

/// Does it with each request, or each of what requests have, in turn; fails if it does not succeed with all of them.
pub(super) fn over<T: 'static>(
    requests: Vec<T>,
    does: impl Fn(&T) -> bool + 'static,
) -> Result<Box<dyn Fn()>> {
    ensure!(!requests.is_empty() && requests.iter().all(&does), "a case does not do what it is said to do");
    let turn = Cell::new(0);
    Ok(Box::new(move || {
        turn.set((turn.get() + 1) % requests.len());
        if let Some(request) = requests.get(turn.get()) {
            black_box(does(request));
        }
    }))
}

fn counting_a_use() -> Result<Case> {
    let ids: Result<Vec<_>, _> = (0..KEYS).map(|number| KeyId::try_from(id_of(number).as_str())).collect();
    let counter = UsageCounter::default();
    ids.iter().flatten().for_each(|id| counter.proven(id));
    ensure!(counter.take().report.count() == KEYS, "each use is counted");
    let run = over(ids?, move |id| {
        counter.proven(id);
        true
    })?;
    Ok(case("use-counted", "counting a use of a key, 1 000 keys in turn", run))
}

fn reading_a_page(answer: &[u8]) -> Result<Case> {
    ensure!(read(answer)?.count() == KEYS as usize, "the page has every key");
    let answer = answer.to_vec();
    let run = Box::new(move || {
        let _ = black_box(read(&answer));
    });
    Ok(case("page-read", "reading a page of the feed, 1 000 rows", run))
}

fn building_a_table(answer: &[u8]) -> Case {
    let answer = answer.to_vec();
    let run = Box::new(move || {
        let _ = black_box(build(&TableWriter::new(FakeSharedData::default(), names()), &answer));
    });
    case("table-build", "reading it and building a table of it", run)
}

/// The same key changes again and again, as the feed would tell of it.
fn applying_a_change() -> Result<Case> {
    let writer = TableWriter::new(FakeSharedData::default(), names());
    let rows = (1..=KEYS).map(|seq| row(seq, seq - 1)).collect();
    build(&writer, &page(rows)?.to_json()?)?;
    let live = writer.live().context("there is a table")?;
    let answers = (KEYS + 1..=2 * KEYS)
        .map(|seq| Ok(page(vec![row(seq, 7)])?.to_json()?))
        .collect::<Result<Vec<_>>>()?;
    let turn = Cell::new(0);
    let run = Box::new(move || {
        turn.set((turn.get() + 1) % answers.len());
        let changes = answers.get(turn.get()).and_then(|answer| read(answer).ok());
        let _ = black_box(changes.map(|changes| writer.apply(&live, &changes)));
    });
    Ok(case("apply", "reading one change and applying it", run))
}

fn read(answer: &[u8]) -> Result<Changes> {
    Ok(Changes::read(answer, Cursor(0), &shape()).map_err(|error| anyhow::anyhow!("{error}"))?.1)
}

fn build(writer: &TableWriter<FakeSharedData>, answer: &[u8]) -> Result<()> {
    let failed = |error| anyhow::anyhow!("building a table: {error:?}");
    let mut build = writer.begin(KEYS, 7).map_err(failed)?;
    writer.collect(&mut build, &read(answer)?).map_err(failed)?;
    while writer.lay_out(&mut build).map_err(failed)? == Progress::Continues {}
    writer.publish(&build, &epoch()?, Cursor(KEYS), KEYS, Some(REFRESHED)).map_err(failed)?;
    Ok(())
}

/// What a default configuration tells.
fn shape() -> RecordShape {
    IdentityHeaders::default().record_shape()
}

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("key_service", "key_service", "/_latchkey/feed"), shape())
}

fn epoch() -> Result<Epoch> {
    Epoch::try_from("an-epoch".to_owned()).map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn page(keys: Vec<FeedRow>) -> Result<FeedPage> {
    let cursor = keys.last().map_or(Cursor(0), FeedRow::seq);
    Ok(FeedPage {
        epoch: epoch()?,
        cursor,
        purged: Cursor(0),
        total: KEYS,
        more: false,
        reset: false,
        ended: false,
        keys,
    })
}

fn row(seq: u64, number: u64) -> FeedRow {
    let salt = Salt::from_bytes([7; 16]);
    // An id of 20 plain characters is one.
    let id = KeyId::try_from(id_of(number)).unwrap_or_else(|_| unreachable!("an id of letters and digits"));
    let secret = KeySecret::presented(SECRET.as_bytes().to_vec());
    let record = KeyRecord {
        id,
        secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &secret)),
        expiration: None,
        name: format!("service-{number}"),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: vec!["reader".to_owned()],
        vouched_roles: vec!["reader".to_owned()],
        limited_by: vec!["ops".to_owned()],
        metadata: "{}".to_owned(),
        metadata_vouched: true,
    };
    FeedRow::Live { seq: Cursor(seq), record: Box::new(record) }
}

pub(super) fn id_of(number: u64) -> String {
    format!("AaIAMrfrOK1gSg{number:06}")
}

fn request(id: &str, secret: &str) -> HeaderPairs {
    request_for("/some/path", id, secret)
}

/// The headers that Envoy shows of a plain request.
pub(super) fn request_for(path: &str, id: &str, secret: &str) -> HeaderPairs {
    let authorization = format!("ApiKey {}", STANDARD.encode(format!("{id}:{secret}")));
    HeaderPairs::from_iter([
        (":authority", "service.example"),
        (":path", path),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "client/1.0"),
        ("accept", "*/*"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "b8cbb0f8-5dd0-4f0a-9c51-2f2f5d7a7e7e"),
        ("authorization", &authorization),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_what_it_is_said_to_do() {
        let cases = Case::all().unwrap();
        assert!(cases.len() > 5);
        for case in &cases {
            (case.run)();
        }
    }
}
