//! Many who write and many who follow, at the same time, on as many replicas as the database may have.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, FeedRow};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::feed_pages::Followed;
use super::*;
use crate::store::update::KeyUpdate;

const REPLICAS: usize = 3;
const WRITERS: usize = 6;
const STEPS: u64 = 24;

/// What the feed has to say in the end: the expiration of each key, and nothing of keys that were ended.
type Model = BTreeMap<String, Option<UnixMillis>>;

impl ScratchStore {
    /// The store as each replica has it. One process alone has a file.
    async fn replicas(&self) -> Vec<KeyStore> {
        let mut replicas = vec![self.store.clone(); REPLICAS];
        if self.store.database.may_have_replicas() {
            for replica in &mut replicas {
                *replica = open(&self.place, "of no replica").await;
            }
        }
        replicas
    }
}

/// Makes, changes and ends keys of its own, and tells what is left of them.
async fn write(store: KeyStore, writer: usize) -> Model {
    let mut model = Model::new();
    for step in 0..STEPS {
        let id = format!("w{writer}-{}", step / 3);
        match step % 3 {
            0 => {
                store.create(key(&id), actor(), UnixMillis(1)).await.unwrap();
                model.insert(id, key("any").expiration);
            }
            1 => {
                let expiration = UnixMillis(5_000 + step);
                let known = key(&id);
                let update = KeyUpdate {
                    owner: known.owner,
                    limited_by: known.limited_by,
                    role_descriptors: None,
                    metadata: None,
                    expiration: Some(expiration),
                    lifetime_max: None,
                    is_vouched: false,
                };
                store.update(vec![id.clone()], update, actor(), UnixMillis(2)).await.unwrap();
                model.insert(id, Some(expiration));
            }
            // Two thirds of the keys live on.
            _ if step % 9 == 8 => {
                let filter = KeyFilter { ids: Some(vec![id.clone()]), ..KeyFilter::default() };
                store.invalidate(filter, actor(), UnixMillis(3)).await.unwrap();
                model.remove(&id);
            }
            _ => {}
        }
    }
    model
}

/// Follows the feed as an edge does until it has come to the end, and remembers every place at which it
/// stood.
async fn follow(store: KeyStore, rows_max: u32, mut end: watch::Receiver<Option<Cursor>>) -> Vec<Followed> {
    let mut changes = store.changes();
    let mut places = vec![Followed::default()];
    loop {
        changes.borrow_and_update();
        let mut followed = places.last().unwrap().clone();
        while followed.read_on(&store, rows_max).await {
            places.push(followed.clone());
        }
        assert!(followed.cursor >= places.last().unwrap().cursor, "the feed went back");
        let position = followed.cursor;
        places.push(followed);
        if end.borrow_and_update().is_some_and(|end| position >= end) {
            return places;
        }
        tokio::select! {
            changed = changes.changed() => changed.unwrap(),
            ended = end.changed() => ended.unwrap(),
        }
    }
}

fn modelled(followed: &Followed) -> Model {
    let live = followed.keys.iter().map(|(id, row)| match row {
        FeedRow::Live { record, .. } => (id.to_string(), record.expiration),
        FeedRow::Removed { .. } => panic!("{id} is removed"),
    });
    live.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_feed_read_from_any_place_ends_in_what_was_written() {
    let scratch = ScratchStore::new().await;
    let replicas = scratch.replicas().await;
    let (finish, end) = watch::channel(None);
    let mut followers = JoinSet::new();
    for (number, store) in replicas.iter().enumerate() {
        followers.spawn(follow(store.clone(), 1 + number as u32 * 5, end.clone()));
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(replicas[writer % REPLICAS].clone(), writer));
    }
    let model: Model = writers.join_all().await.into_iter().flatten().collect();
    let last = scratch.store.parsed_page(Cursor(0), 10_000).await.unwrap();
    assert_eq!(last.total, model.len() as u64);
    finish.send_replace(Some(last.cursor));
    for places in followers.join_all().await {
        for mut place in places {
            place.catch_up(&scratch.store, 7).await;
            assert_eq!(modelled(&place), model, "from {:?}", place.cursor);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_end_a_key_one_does() {
    let scratch = ScratchStore::new().await;
    let replicas = scratch.replicas().await;
    for number in 0..10 {
        let id = format!("k{number}");
        scratch.create(&id).await;
        let mut enders = JoinSet::new();
        for store in &replicas {
            let store = store.clone();
            let filter = KeyFilter { ids: Some(vec![id.clone()]), ..KeyFilter::default() };
            enders.spawn(async move {
                store.invalidate(filter, actor(), UnixMillis(5)).await.unwrap().outcome.len()
            });
        }
        assert_eq!(enders.join_all().await.iter().sum::<usize>(), 1, "{id}");
    }
}
