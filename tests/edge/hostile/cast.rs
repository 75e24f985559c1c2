//! The keys of the table, and what a client may show of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_filter::credential::CredentialSources;
use latchkey_filter::headers::HeaderPairs;
use latchkey_key_feed::{KeyRecord, UnixMillis};

use super::dice::Dice;
use crate::stage::{self, key_of_bytes};

/// Keys that are admitted: id and secret. No secret stands in another, or in anything else that is sent.
pub(crate) const LIVE: [(&str, &[u8]); 3] = [
    ("first", b"first-secret-7c1e52d0"),
    ("second", b"second:with:colons-41af"),
    ("third", b"\xff\xfeno-text-\x80\x0d-93bd"),
];

/// A key that has ended, and one that was never made.
const DEAD: [(&str, &[u8]); 2] = [("ended", b"ended-secret-58b1"), ("unknown", b"unknown-secret-0e77")];

/// What a request shows: the values of its `Authorization` headers, and the key that it may be admitted by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) values: Vec<Vec<u8>>,
    pub(crate) may: Option<&'static str>,
    /// Nothing is wrong with it at all.
    pub(crate) is_plain: bool,
}

/// The table.
pub(crate) fn records() -> Vec<KeyRecord> {
    let mut first = key_of_bytes("first", LIVE[0].1);
    first.expiration = Some(UnixMillis(4_102_444_800_000));
    let mut second = key_of_bytes("second", LIVE[1].1);
    second.name = "zweiter, 100 % \u{1f511}".to_owned();
    second.owner.username = "bob".to_owned();
    second.roles = vec!["a,b".to_owned(), "superuser".to_owned()];
    second.vouched_roles = vec!["a,b".to_owned()];
    let mut third = key_of_bytes("third", LIVE[2].1);
    third.owner.realm = "file".to_owned();
    third.roles.clear();
    third.vouched_roles.clear();
    third.metadata_vouched = false;
    let mut ended = key_of_bytes("ended", DEAD[0].1);
    ended.expiration = Some(UnixMillis(1));
    vec![first, second, third, ended]
}

/// What a client presents of a live key.
pub(crate) fn credential_of(id: &str) -> String {
    let (id, secret) = LIVE.iter().find(|(live, _)| *live == id).unwrap();
    stage::encoded(id, secret)
}

/// The same of anything: what is made up is nobody's secret.
fn encoded(id: &str, secret: impl AsRef<[u8]>) -> String {
    STANDARD.encode([id.as_bytes(), b":", secret.as_ref()].concat())
}

impl Shown {
    /// A live key, as it should be.
    pub(crate) fn plain(dice: &mut Dice) -> Self {
        let (id, secret) = dice.pick(&LIVE);
        let value = format!("ApiKey {}", encoded(id, secret)).into_bytes();
        Self { values: vec![value], may: Some(id), is_plain: true }
    }

    /// Mostly a live key, sometimes nothing or another.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::default(),
            1 => Self::odd(dice),
            _ => Self::plain(dice),
        }
    }

    /// Something that is not as it should be, or looks so.
    pub(crate) fn odd(dice: &mut Dice) -> Self {
        let (id, secret) = if dice.percent(75) { dice.pick(&LIVE) } else { dice.pick(&DEAD) };
        let encoded = encoded(id, secret);
        let good = format!("ApiKey {encoded}").into_bytes();
        let values = match dice.below(8) {
            0 => vec![good.clone(), good],
            1 => two(dice, good),
            2 => vec![listed(dice, &good)],
            3 => vec![[odd_scheme(dice), encoded.as_bytes()].concat()],
            4 => vec![[b"ApiKey ".as_slice(), &damaged(dice, encoded.as_bytes())].concat()],
            5 => vec![format!("ApiKey {}", other_secret(dice, id, secret)).into_bytes()],
            6 => vec![surrounded(dice, &good)],
            _ => vec![noisy(dice, good)],
        };
        let may = admitted_by(&values);
        Self { values, may, is_plain: false }
    }
}

/// Whose credential these values of `Authorization` are, by the filter's own parser. Envoy makes one header of
/// them, and drops empty ones.
pub(crate) fn admitted_by(values: &[Vec<u8>]) -> Option<&'static str> {
    let trimmed = values.iter().map(|value| value.trim_ascii()).filter(|value| !value.is_empty());
    let joined = trimmed.collect::<Vec<_>>().join(&b',');
    let headers = HeaderPairs::from_iter([("authorization", joined)]);
    let read = CredentialSources::default().extract(&headers).ok()??.without_opaque_keys().ok()?;
    let live = LIVE.iter().find(|(id, secret)| *id == read.id.as_str() && *secret == read.secret.expose());
    live.map(|(id, _)| *id)
}

/// A second header beside the good one.
fn two(dice: &mut Dice, good: Vec<u8>) -> Vec<Vec<u8>> {
    let others: [&[u8]; 5] = [b"ApiKey YTpi", b"Bearer t", b"", b"Basic YTpi", b"ApiKey"];
    let other = dice.pick(&others).to_vec();
    if dice.percent(50) { vec![good, other] } else { vec![other, good] }
}

fn listed(dice: &mut Dice, good: &[u8]) -> Vec<u8> {
    let others: [&[u8]; 5] = [b"", b" ", b"ApiKey YTpi", b"Bearer t", b"realm=\"x\""];
    let commas: [&[u8]; 4] = [b",", b", ", b" , ", b";"];
    let (other, comma) = (dice.pick(&others), dice.pick(&commas));
    if dice.percent(50) { [good, comma, other].concat() } else { [other, comma, good].concat() }
}

fn odd_scheme(dice: &mut Dice) -> &'static [u8] {
    let schemes: [&[u8]; 16] = [
        b"apikey ",
        b"APIKEY ",
        b"ApiKey  ",
        b"ApiKey\t",
        b"ApiKey",
        b"ApiKey: ",
        b"ApiKey=",
        b"Api-Key ",
        b"Bearer ",
        b"Basic ",
        b"ApiKey ApiKey ",
        b"\"ApiKey\" ",
        b"",
        b"ApiK\xe9y ",
        b"ApiKey\x00 ",
        b"\xef\xbb\xbfApiKey ",
    ];
    dice.pick(&schemes)
}

fn damaged(dice: &mut Dice, encoded: &[u8]) -> Vec<u8> {
    let mut damaged = encoded.to_vec();
    let place = dice.below(damaged.len());
    match dice.below(9) {
        0 => damaged.retain(|byte| *byte != b'='),
        1 => damaged.extend(b"=="),
        2 => damaged.iter_mut().for_each(|byte| *byte = if *byte == b'+' { b'-' } else { *byte }),
        3 => damaged.insert(place, b' '),
        4 => damaged.insert(place, b'\0'),
        5 => damaged.truncate(place),
        6 => damaged.extend(b"AAAA"),
        7 => damaged.make_ascii_lowercase(),
        _ => damaged[place] = dice.byte(),
    }
    without_line_ends(damaged)
}

fn other_secret(dice: &mut Dice, id: &str, secret: &[u8]) -> String {
    match dice.below(6) {
        0 => encoded(id, ""),
        1 => encoded("", secret),
        2 => encoded(id, [secret, secret].concat()),
        3 => encoded(id, vec![b's'; dice.between(1_000, 40_000)]),
        4 => encoded(&"i".repeat(dice.between(100, 8_000)), secret),
        _ => encoded("first", LIVE[1].1),
    }
}

fn surrounded(dice: &mut Dice, good: &[u8]) -> Vec<u8> {
    let around: [&[u8]; 5] = [b" ", b"\t", b"   ", b"\x0b", b"\xc2\xa0"];
    let (before, after) = (dice.pick(&around), dice.pick(&around));
    match dice.below(3) {
        0 => [before, good].concat(),
        1 => [good, after].concat(),
        _ => [before, good, after].concat(),
    }
}

fn noisy(dice: &mut Dice, mut good: Vec<u8>) -> Vec<u8> {
    for _ in 0..dice.between(1, 4) {
        let (place, byte) = (dice.below(good.len() + 1), dice.byte());
        good.insert(place, byte);
    }
    without_line_ends(good)
}

/// A line that ends early is another header, and other cases try that.
fn without_line_ends(mut value: Vec<u8>) -> Vec<u8> {
    value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b'.');
    value
}
