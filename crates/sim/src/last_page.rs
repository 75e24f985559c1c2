//! What an edge gets whose own key has ended, in the order of the real service.

use latchkey_edge_ledger::{FollowerRequest, KeyEnd};
use latchkey_key_feed::Cursor;

use crate::service::Replica;
use crate::store::Store;

/// There is nothing for it.
const UNAUTHORIZED: (u16, Vec<u8>) = (401, Vec::new());

/// The change that ended the key of whoever asks.
pub(crate) fn end_of_key(store: &Store, request: &FollowerRequest) -> Option<Cursor> {
    store.end_of_key_of(request.edge.as_ref()?.id.name.as_str())
}

/// The answer to an edge whose key has ended.
pub(crate) fn last_page(
    store: &mut Store,
    replica: &mut Replica,
    request: &FollowerRequest,
    end: Cursor,
) -> (u16, Vec<u8>) {
    let now = replica.now();
    let Some(edge) = &request.edge else { return UNAUTHORIZED };
    let Some(acknowledged) = replica.ledger.acknowledged_by(&edge.id, &edge.holder) else {
        return UNAUTHORIZED;
    };
    let FollowerRequest { after, purged, version, rows_max, .. } = *request;
    if request.is_leaving {
        if replica.ledger.leave(&edge.id, &edge.holder, now) {
            replica.store_rows(store);
        }
        let goodbye = store.page(acknowledged, purged, version, 1, Some(acknowledged));
        return (200, goodbye.body);
    }
    let told_epoch = version.told_epoch(&Store::epoch_named(replica.epoch)).ok();
    if !request.is_at_its_place(acknowledged, told_epoch.as_ref()) {
        return UNAUTHORIZED;
    }
    let Some(end) = KeyEnd::Invalidated(Some(end)).through(after) else { return UNAUTHORIZED };
    let page = store.page(after, purged, version, rows_max as usize, Some(end));
    if page.reset || request.is_of_another_feed(&page.told_epoch) {
        return UNAUTHORIZED;
    }
    let acknowledged = request.acknowledged_at_the_end(page.standing(), Cursor(store.held.seq));
    replica.ledger.note_acknowledgement(&edge.id, acknowledged, now);
    if !request.has_news(page.standing()) {
        replica.ledger.note_last_page(&edge.id);
    }
    (200, page.body)
}
