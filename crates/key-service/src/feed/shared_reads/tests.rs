use super::*;
use crate::store::tests::ScratchStore;

fn request(after: u64, rows_max: u32) -> PageRequest {
    PageRequest { position: FeedPosition::from(Cursor(after)), rows_max }
}

const ANY: Newness = Newness::Holds(Cursor(0));

#[tokio::test]
async fn all_at_one_place_are_given_the_same_bytes() {
    let scratch = ScratchStore::new().await;
    let reads = SharedReads::new(scratch.store.clone());
    let mut listeners: Vec<Listener> = (0..100).map(|_| reads.listen(request(1, 10))).collect();
    for listener in &mut listeners {
        assert_eq!(listener.page(ANY).await.unwrap().rows, 0);
    }
    scratch.create("a").await;
    let mut pages = Vec::new();
    for listener in &mut listeners {
        pages.push(listener.next().await.unwrap());
    }
    assert_eq!(pages[0].rows, 1);
    assert!(pages.iter().all(|page| Arc::ptr_eq(page, &pages[0])), "it was read and written once");
}

#[tokio::test]
async fn whoever_comes_later_is_given_what_was_read_before_while_it_is_new_enough() {
    let scratch = ScratchStore::new().await;
    let reads = SharedReads::new(scratch.store.clone());
    let mut first = reads.listen(request(1, 10));
    let page = first.page(ANY).await.unwrap();
    let same = reads.listen(request(1, 10)).page(Newness::Holds(page.latest)).await.unwrap();
    assert!(Arc::ptr_eq(&same, &page));
    let read_now = reads.listen(request(1, 10)).page(Newness::ReadNow).await.unwrap();
    assert!(!Arc::ptr_eq(&read_now, &page));
    // Another process has changed the store, and has not announced it yet.
    scratch.set_latest(7).await;
    let heard_of = reads.listen(request(1, 10)).page(Newness::Holds(Cursor(7))).await.unwrap();
    assert_eq!(heard_of.cursor, Cursor(7));
}

#[tokio::test]
async fn different_places_are_given_different_pages() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    let reads = SharedReads::new(scratch.store.clone());
    for (request, rows) in [(request(0, 10), 3), (request(0, 2), 2), (request(3, 10), 1), (request(4, 10), 0)]
    {
        assert_eq!(reads.listen(request).page(ANY).await.unwrap().rows, rows, "{request:?}");
    }
}

#[tokio::test]
async fn a_change_between_reading_and_waiting_is_not_lost() {
    let scratch = ScratchStore::new().await;
    let reads = SharedReads::new(scratch.store.clone());
    for number in 0..50_u64 {
        let after = 1 + number;
        let mut listener = reads.listen(request(after, 10));
        let mut page = listener.page(ANY).await.unwrap();
        // Whether it is announced before or after the listener begins to wait.
        scratch.create(&format!("k{number}")).await;
        if number % 2 == 0 {
            tokio::task::yield_now().await;
        }
        while page.cursor.0 == after {
            page = listener.next().await.unwrap();
        }
        assert_eq!((page.cursor.0, page.rows), (after + 1, 1));
    }
}

#[tokio::test]
async fn a_page_of_a_load_stays_for_others_until_something_is_purged() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    let reads = SharedReads::new(scratch.store.clone());
    let first = reads.listen(request(0, 2)).page(Newness::ReadNow).await.unwrap();
    assert!(first.more);
    scratch.create("d").await;
    let same = reads.listen(request(0, 2)).page(Newness::ReadNow).await.unwrap();
    assert!(Arc::ptr_eq(&same, &first), "what follows brings what has changed since");
    scratch.set_purged_through(3).await;
    let told = reads.listen(request(2, 2)).page(Newness::ReadNow).await.unwrap();
    assert!(told.reset);
    let again = reads.listen(request(0, 2)).page(Newness::ReadNow).await.unwrap();
    assert_eq!((again.more, again.purged), (true, Cursor(3)), "nobody begins with what was before");
}

#[tokio::test]
async fn no_more_pages_of_loads_stay_than_may() {
    let scratch = ScratchStore::new().await;
    let count = FEED_PAGES_KEPT_MAX as u64 + 5;
    for number in 0..count {
        scratch.create(&format!("k{number}")).await;
    }
    let reads = SharedReads::new(scratch.store.clone());
    for after in 1..count {
        assert!(reads.listen(request(after, 1)).page(ANY).await.unwrap().more);
    }
    // A page is sent before it is kept.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let known = reads.0.known();
    assert_eq!((known.kept.len(), known.keepers.len()), (FEED_PAGES_KEPT_MAX, FEED_PAGES_KEPT_MAX));
}

#[tokio::test]
async fn a_place_that_everybody_has_left_is_forgotten() {
    let scratch = ScratchStore::new().await;
    let reads = SharedReads::new(scratch.store.clone());
    let mut listener = reads.listen(request(1, 10));
    listener.page(ANY).await.unwrap();
    drop(listener);
    while !reads.0.known().keepers.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_read_ahead_is_what_is_asked_next() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c", "d"] {
        scratch.create(id).await;
    }
    let reads = SharedReads::new(scratch.store.clone());
    reads.read_ahead(request(1, 1));
    while reads.0.known().kept.len() < FEED_PAGES_AHEAD_MAX {
        tokio::task::yield_now().await;
    }
    let read: Vec<Cursor> =
        reads.0.known().kept.iter().map(|(_, request, _)| request.position.after).collect();
    assert_eq!(read, [Cursor(1), Cursor(2)], "and nobody has asked");
    assert_eq!(reads.0.known().keepers.len(), FEED_PAGES_AHEAD_MAX, "there it ends");
    let page = reads.listen(request(2, 1)).page(Newness::ReadNow).await.unwrap();
    let same = reads.listen(request(2, 1)).page(ANY).await.unwrap();
    assert_eq!((page.rows, page.cursor, page.more), (1, Cursor(3), true));
    assert!(Arc::ptr_eq(&page, &same));
}
