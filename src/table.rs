//! The key table: all keys of one feed, once per Envoy process, in proxy-wasm shared data.
//!
//! The table is an array of 2^k pages, and a key lives in page `hash(id) mod 2^k`, so a look-up is one read
//! of shared data. Where keys have rights, 2^k more pages stand behind them, for sets of rights and for what
//! applications have registered (`attachment.rs`). Their places depend on a random number of each load, because
//! whoever has keys made chooses sets, and could make one page too long. Shared data has no delete, therefore
//! the set of names is bounded: two *slots* of pages, which generations use in turn, and the *runs* in which a
//! load puts rows aside.
//!
//! | entry  | holds                                                        | written by |
//! |--------|--------------------------------------------------------------|------------|
//! | header | the live generation, its slot, size, epoch, cursor and age    | the follower, by compare-and-swap |
//! | page   | its generation, the last change applied to it, its records    | the follower, by compare-and-swap |
//! | run    | its generation, changes of neighbouring pages; empty but in a load | the follower, by compare-and-swap |
//!
//! What keeps it right whoever writes:
//!
//! * A page only moves forward. A change is applied only where its sequence number is higher than the page's,
//!   so a follower that was deposed and does not know it can never bring a revoked key back.
//! * A generation is built in the slot that nobody reads, and becomes live by one swap of the header, when it
//!   is whole.
//! * A follower that takes over moves the turn in the header, and from there on nobody else changes that. So what
//!   another has loaded before never replaces what it has followed since, and nobody else says how far the table
//!   is.
//! * Every build has a generation number of its own. A page of a higher one stops the writer; a page of a
//!   lower one is empty.
//! * A reader believes a page only if its generation is the live one. Otherwise it reads the header again.
//!   The follower clears the old slot before it acknowledges anything read in the new generation, so after an
//!   acknowledgement no VM can admit by an old page.
//! * A reader may keep pages it has read, and counts on the change stamp: it looks at the stamp before it
//!   reads a page, and again before it uses a kept one. A writer moves the stamp after it has found all
//!   changes in the pages, its own or another's, and before it writes the header from which anybody could
//!   acknowledge them.
//! * What its records hold is part of a table's name, so no VM reads a record in which another left something
//!   out.
//! * A set of rights is named by its content, and a page of it is never without it again: it is written where it
//!   is missing, whatever the page's number, by whoever meets a key that has it, and before that key. So a key
//!   never stands in a live table without its set. Its place in the feed would not do: a follower that lags
//!   would find a later number in the page, written by another that has seen the key only after its next
//!   change, and so without this set. Writing it twice, or too late, does no harm, because equal names are
//!   equal bytes. What an application has registered is written in the order of the feed, as keys are; the
//!   number of a page of attachments is that of the last such change.
//! * By what opaque keys are found is one record among the keys, under an id that no key has. It is written where it
//!   is missing, as a set is: it is the same for as long as the table belongs to its feed.
//! * Sets that no key has any more stay until the next load. Every byte of them that is written after a load is
//!   counted in the header, and too many cause the next.
//! * The header's cursor is written after the pages: a successor applies again what is already there, and
//!   skips it.

mod attachment;
mod build;
mod bytes;
mod changes;
mod clearing;
mod directory;
mod encoding;
mod entry_name;
mod feed_table;
mod header;
mod key_table;
mod page;
mod page_cache;
mod page_index;
mod paged_record;
mod reader;
mod record;
mod record_shape;
mod shared_store;
mod writer;

pub use attachment::{Attachment, ContentId, RegisteredView, is_attachment, opaque_key_pepper};
pub use build::Build;
pub use bytes::{Unread, push_text};
pub use changes::{ChangeKind, Changes, RecordChange, RecordChangesIter, SetAside};
pub use clearing::Clearing;
pub use directory::Directory;
pub use entry_name::{EntryName, TableEntry};
pub use feed_table::FeedTable;
pub use header::{Generation, LiveTable, Refresh, TableAge};
pub use key_table::{Found, KeyTable, LiveFeed, TableRecord, Texts};
pub use page::{Page, Unreadable};
pub use page_index::PageSalt;
pub use paged_record::PagedRecord;
pub use reader::TableReader;
pub use record::{Record, RecordView, are_texts, push_mark, text_in};
pub use record_shape::{RecordShape, RecordText};
pub use shared_store::{
    Entry, FeedIdentity, SharedEntries, SharedNames, SharedStore, Stamp, SwapLost, TableIdentity, Version,
};
pub use writer::{FeedStanding, Progress, TableWriter, WriteError};

#[cfg(test)]
pub(crate) mod sample_keys;
#[cfg(test)]
mod tests;
