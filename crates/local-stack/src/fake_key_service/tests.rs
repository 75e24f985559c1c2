use std::thread;

use latchkey_key_feed::{KeptSecrets, Owner};

use super::*;
use crate::http::{Request, Response, http1};

fn epoch(name: &str) -> Epoch {
    Epoch::try_from(name.to_owned()).unwrap()
}

fn id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap()
}

fn record(text: &str) -> KeyRecord {
    KeyRecord {
        id: id(text),
        secrets: KeptSecrets::DECOY,
        expiration: None,
        name: String::new(),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: Vec::new(),
        vouched_roles: Vec::new(),
        limited_by: Vec::new(),
        metadata: "{}".to_owned(),
        metadata_vouched: true,
    }
}

fn answer(keys: &FakeKeyService, query: &str) -> Response {
    http1::exchange(keys.address(), &Request::get(&format!("/feed?{query}"))).unwrap()
}

#[track_caller]
fn page(keys: &FakeKeyService, query: &str, after: u64) -> FeedPage {
    FeedPage::parse(&answer(keys, query).body, Cursor(after)).unwrap()
}

fn ids(page: &FeedPage) -> Vec<&str> {
    page.keys.iter().map(|row| row.id().as_str()).collect()
}

#[test]
fn serves_loads_and_deltas() {
    let keys = FakeKeyService::start(epoch("one")).unwrap();
    keys.put(record("a"));
    keys.put(record("b"));
    keys.put(record("a"));
    assert_eq!(ids(&page(&keys, "after=0", 0)), ["b", "a"]);
    assert_eq!(ids(&page(&keys, "after=2", 2)), ["a"]);
    keys.remove(id("b"));
    let delta = page(&keys, "after=3", 3);
    assert_eq!((ids(&delta), delta.cursor, delta.total), (vec!["b"], Cursor(4), 1));
    keys.limit_pages_to(1);
    let first = page(&keys, "after=0", 0);
    assert_eq!((ids(&first), first.more), (vec!["a"], true));
}

#[test]
fn a_long_poll_ends_with_the_change() {
    let keys = FakeKeyService::start(epoch("one")).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| page(&keys, "after=0&wait=60000ms", 0));
        while keys.requests().is_empty() {
            thread::yield_now();
        }
        keys.put(record("a"));
        assert_eq!(ids(&waiting.join().unwrap()), ["a"]);
    });
}

#[test]
fn who_missed_a_purge_loads_again_and_who_loads_goes_on() {
    let keys = FakeKeyService::start(epoch("one")).unwrap();
    for text in ["a", "b", "c"] {
        keys.put(record(text));
    }
    keys.remove_and_purge(&id("b"));
    assert!(page(&keys, "after=2", 2).reset);
    assert!(!page(&keys, "after=0", 0).reset);
    assert_eq!(ids(&page(&keys, "after=1&purged=4", 1)), ["c"]);
    // A cursor that was never given belongs to another feed.
    assert!(page(&keys, "after=99", 99).reset);
}

#[test]
fn misbehaves_as_told() {
    let keys = FakeKeyService::start(epoch("one")).unwrap();
    keys.behave(FeedManner::Status(500));
    assert_eq!(answer(&keys, "after=0").status, 500);
    keys.behave(FeedManner::Body(b"junk".to_vec()));
    assert_eq!(answer(&keys, "after=0").body, b"junk");
    keys.behave(FeedManner::Raw(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n\r\n".to_vec()));
    assert_eq!(answer(&keys, "after=0").header("location").as_deref(), Some("/elsewhere"));
    for manner in [FeedManner::Truncated, FeedManner::Closing, FeedManner::Resetting] {
        keys.behave(manner);
        assert!(http1::exchange(keys.address(), &Request::get("/feed?after=0")).is_err());
    }
    keys.behave(FeedManner::Dripping(b"HTTP/1.1 200 OK\r\nx-drips:".to_vec()));
    let mut follower = TcpStream::connect(keys.address()).unwrap();
    follower.write_all(b"GET /feed?after=0 HTTP/1.1\r\n\r\n").unwrap();
    let mut arrived = [0; 32];
    follower.read_exact(&mut arrived).unwrap();
    assert!(arrived.starts_with(b"HTTP/1.1 200 OK\r\nx-drips:  "), "{}", String::from_utf8_lossy(&arrived));
    drop(follower);
    keys.behave(FeedManner::Truthful);
    assert_eq!(answer(&keys, "after=0").status, 200);
}
