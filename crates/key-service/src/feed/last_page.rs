//! The last page for a key that has ended.
//!
//! A revocation may end the very key with which an edge reads the feed. If the edge were refused from then
//! on, it would go on admitting all keys that were revoked with it. So the edge is served all changes up to
//! the end of the change that ended its key, and nothing newer, and is told that this is the last page.
//!
//! That must be useless to anybody else who holds the key. The page is only for an instance that asked with
//! this key while it was valid, and only for what comes after that instance's acknowledgement: never for a
//! load from the beginning, and never from a cursor before it.

use std::sync::Arc;

use latchkey_edge_ledger::{EdgeRequest, FollowerRequest, PageStanding};

use crate::feed::shared_page::SharedPage;
use crate::feed::shared_reads::PageRequest;
use crate::feed::{Feed, FeedRefusal};
use crate::store::feed_text::told_epoch;
use crate::store::key_entry::KeyEntry;
use crate::store::{FeedPosition, StoreError};
use latchkey_key_feed::Cursor;

/// The page for an edge whose key has ended; `None` when there is none for it.
///
/// # Errors
///
/// [`FeedRefusal`] when the store does not answer.
pub(crate) async fn for_ended_key(
    feed: &Feed,
    request: &FollowerRequest,
    key: &KeyEntry,
) -> Result<Option<Arc<SharedPage>>, FeedRefusal> {
    let Some(edge) = &request.edge else { return Ok(None) };
    let acknowledged = feed.edges.ledger().acknowledged_by(&edge.id, &edge.holder);
    let Some(acknowledged) = acknowledged else { return Ok(None) };
    if request.is_leaving {
        feed.edges.leave(&edge.id, &edge.holder).await?;
        let position = FeedPosition { after: acknowledged, ..PageRequest::of(request).position };
        let goodbye = feed.store.feed_page_through(position, acknowledged, 1).await?;
        return Ok(Some(Arc::new(SharedPage::of(&goodbye)?)));
    }
    if !is_at_its_place(feed, request, acknowledged) {
        return Ok(None);
    }
    let Some(end) = end_of(feed, request.after, key).await? else { return Ok(None) };
    let page = feed.store.feed_page_through(PageRequest::of(request).position, end, request.rows_max).await?;
    let has_news = page.head.cursor != request.after;
    // A filter that names no instance does not know last pages, and would ask for one again and again.
    if page.head.reset || (!has_news && !edge.id.instance.is_drawn()) {
        return Ok(None);
    }
    let standing = PageStanding { epoch: &page.head.epoch, cursor: page.head.cursor, reset: page.head.reset };
    let acknowledged = request.acknowledged(standing, true);
    let acknowledgement = EdgeRequest { acknowledged, ..edge.clone() };
    if edge.id.instance.is_drawn() {
        // The edge knows that a last page does not make its table fresh.
        feed.edges.note_acknowledgement(&acknowledgement);
    } else {
        feed.edges.admit(&acknowledgement, request.wait).await?;
    }
    if !has_news {
        // This was its last acknowledgement of this feed.
        feed.edges.ledger().note_last_page(&edge.id);
    }
    Ok(Some(Arc::new(SharedPage::of(&page)?)))
}

/// Whether it asks from the cursor that the instance has acknowledged, in this epoch, or from a later one.
fn is_at_its_place(feed: &Feed, request: &FollowerRequest, acknowledged: Cursor) -> bool {
    request.epoch == told_epoch(request.version, &feed.store.epoch()).ok()
        && request.epoch.is_some()
        && acknowledged != Cursor(0)
        && request.after >= acknowledged
}

/// The end of the change that ended the key. Of one whose time was over, the last change before that
/// ended a key: the store knows when keys were ended, and not when they were changed otherwise.
///
/// `None` when it has read beyond: with a key that was invalidated nobody was served what came later.
async fn end_of(feed: &Feed, after: Cursor, key: &KeyEntry) -> Result<Option<Cursor>, StoreError> {
    let end = match (key.invalidation, key.expiration) {
        (Some(_), _) => feed.store.end_of(&key.id).await?,
        (None, Some(expiration)) => feed.store.last_ended_by(expiration).await?,
        (None, None) => None,
    };
    let end = end.unwrap_or(after);
    Ok(if end < after && key.invalidation.is_some() { None } else { Some(end.max(after)) })
}
