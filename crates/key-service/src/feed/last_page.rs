//! The last page for a key that has ended. Which requests may have it, and what they acknowledge, is decided in
//! `edge-ledger` (`last_page.rs`).

use std::sync::Arc;

use latchkey_edge_ledger::{EdgeRequest, FollowerRequest, KeyEnd, PageStanding};

use crate::feed::shared_page::SharedPage;
use crate::feed::shared_reads::PageRequest;
use crate::feed::{Feed, FeedRefusal};
use crate::store::feed_text::told_epoch;
use crate::store::key_entry::KeyEntry;
use crate::store::{FeedPosition, StoreError};

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
    let epoch = told_epoch(request.version, &feed.store.epoch()).ok();
    if !request.is_at_its_place(acknowledged, epoch.as_ref()) {
        return Ok(None);
    }
    let Some(end) = end_of(feed, key).await?.through(request.after) else { return Ok(None) };
    let page = feed.store.feed_page_through(PageRequest::of(request).position, end, request.rows_max).await?;
    let has_news = page.head.cursor != request.after;
    // A filter that names no instance does not know last pages, and would ask for one again and again.
    if page.head.reset || (!has_news && !edge.id.instance.is_drawn()) {
        return Ok(None);
    }
    let standing = PageStanding { epoch: &page.head.epoch, cursor: page.head.cursor, reset: page.head.reset };
    let latest = feed.store.latest().await?;
    let acknowledged = request.acknowledged_at_the_end(standing, latest);
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

async fn end_of(feed: &Feed, key: &KeyEntry) -> Result<KeyEnd, StoreError> {
    Ok(match (key.invalidation, key.expiration) {
        (None, Some(expiration)) => KeyEnd::Expired(feed.store.last_ended_by(expiration).await?),
        (Some(_), _) => KeyEnd::Invalidated(feed.store.end_of(&key.id).await?),
        (None, None) => KeyEnd::Expired(None),
    })
}
