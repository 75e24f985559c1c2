//! Answers of replicas that are older than one that has answered before, while the service is being upgraded.

use latchkey_key_feed::Epoch;

use super::Follower;
use super::replication::{Replication, is_of_earlier_version};
use super::sink::FeedSink;
use crate::clock::Moment;
use crate::limits::OLDER_ANSWERS_MAX;
use crate::table::{FeedTable as _, LiveFeed as _, TableAge};

impl<K: FeedSink> Follower<K> {
    /// Whether an answer is passed over because a newer replica has answered before, and may answer the next request. To
    /// load now what the older one tells would mean to load again with the next answer of a newer one. But what it
    /// tells keeps a table young that would soon admit nobody.
    pub(super) fn waits_for_newer(&self, told: &Epoch, replication: &Replication<K>, now: Moment) -> bool {
        let mut known = self.last_epoch.iter().chain(replication.epoch());
        let is_older = known.any(|known| is_of_earlier_version(told, known));
        // The pages of a load that was begun are of one version.
        let has_begun_load = matches!(replication, Replication::Loading { load: Some(_), .. });
        let may_wait = has_begun_load || self.sink.table().live().is_none_or(|live| is_young(live.age(now)));
        is_older && may_wait && self.failures < OLDER_ANSWERS_MAX
    }
}

/// Whether the table still serves for as long as it has served.
fn is_young(age: TableAge) -> bool {
    age.ms.max(age.wall_ms) < age.serves_ms / 2
}
