//! What a service in this process logs, searched for secrets as it is written.

use std::io;

use latchkey_local_stack::secrecy;
use tracing::level_filters::LevelFilter;

/// Where the log goes: nowhere. Each event comes as one text.
struct Searched;

impl io::Write for Searched {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        secrecy::insist(secrecy::search("the log", event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on whatever is logged here, at the most talkative level that an operator can set, is searched.
pub(crate) fn search_the_log() {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_writer(|| Searched);
    // The first service sets it for all.
    let _ = tracing::subscriber::set_global_default(log.finish());
}
