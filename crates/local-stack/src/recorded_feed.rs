//! What filters of a release asked of a service of that release, and what it answered: the files of
//! `tests/feeds`, a folder for each release and a file for each version of the feed.
//!
//! ```text
//! key reads VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==
//! GET /_latchkey/feed?after=0&edge=gateway-1
//! x-latchkey-feed-version: 2
//! {"epoch":"epoch.2","version":2,…}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use latchkey_key_feed::{Cursor, FEED_VERSION_HEADER, FeedRequest, QueryText};

use crate::places;

/// One version of the feed of one release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedFeed {
    /// Where it is.
    pub path: PathBuf,
    /// The credential of each key, by what the key is for.
    pub keys: BTreeMap<String, String>,
    /// What was asked and answered, in this order.
    pub exchanges: Vec<RecordedExchange>,
}

/// One request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedExchange {
    /// Path and query.
    pub target: String,
    /// Which version of the feed the filter says that it reads, if it says so.
    pub version: Option<String>,
    /// The body of the answer.
    pub answer: String,
}

impl RecordedFeed {
    /// All that were recorded.
    ///
    /// # Errors
    ///
    /// When there are none, or one cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let mut paths = Vec::new();
        for release in fs::read_dir(places::repository().join("tests/feeds"))? {
            for file in fs::read_dir(release?.path())? {
                paths.push(file?.path());
            }
        }
        ensure!(!paths.is_empty(), "nothing is recorded");
        paths.sort();
        paths.iter().map(|path| Self::read(path).with_context(|| path.display().to_string())).collect()
    }

    /// The answers, by how far whoever asked had read.
    ///
    /// # Errors
    ///
    /// When a request is none.
    pub fn answers(&self) -> Result<BTreeMap<Cursor, Vec<u8>>> {
        let answer = |exchange: &RecordedExchange| {
            let asked = FeedRequest::read(&mut QueryText::of_path(&exchange.target));
            let after = asked.ok().with_context(|| format!("no request: {}", exchange.target))?.after;
            Ok((after, exchange.answer.clone().into_bytes()))
        };
        self.exchanges.iter().map(answer).collect()
    }

    /// Writes it where it belongs.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self) -> Result<()> {
        let mut text = String::new();
        for (name, encoded) in &self.keys {
            text.push_str(&format!("key {name} {encoded}\n"));
        }
        for RecordedExchange { target, version, answer } in &self.exchanges {
            text.push_str(&format!("GET {target}\n"));
            if let Some(version) = version {
                text.push_str(&format!("{FEED_VERSION_HEADER}: {version}\n"));
            }
            text.push_str(&format!("{answer}\n"));
        }
        fs::create_dir_all(self.path.parent().context("no folder")?)?;
        Ok(fs::write(&self.path, text)?)
    }

    fn read(path: &Path) -> Result<Self> {
        let mut feed = Self { path: path.to_owned(), ..Self::default() };
        for line in fs::read_to_string(path)?.lines() {
            if let Some((name, encoded)) = line.strip_prefix("key ").and_then(|key| key.split_once(' ')) {
                feed.keys.insert(name.to_owned(), encoded.to_owned());
                continue;
            }
            if let Some(target) = line.strip_prefix("GET ") {
                feed.exchanges.push(RecordedExchange { target: target.to_owned(), ..Default::default() });
                continue;
            }
            let exchange = feed.exchanges.last_mut().with_context(|| format!("before a request: {line}"))?;
            match line.strip_prefix(FEED_VERSION_HEADER).and_then(|rest| rest.strip_prefix(": ")) {
                Some(version) => exchange.version = Some(version.to_owned()),
                None if line.starts_with('{') => line.clone_into(&mut exchange.answer),
                None => bail!("neither of these: {line}"),
            }
        }
        Ok(feed)
    }
}
