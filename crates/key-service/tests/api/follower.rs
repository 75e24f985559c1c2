//! An edge as the service sees it: somebody who asks for the feed under a name.

use axum::http::StatusCode;
use latchkey_key_feed::{Cursor, FeedPage};

use crate::service::{Client, Service};

/// An edge that asks when it is told to, and remembers how far it has come.
pub(crate) struct Follower<'a> {
    client: Client<'a>,
    name: &'a str,
    pub(crate) cursor: u64,
}

impl<'a> Follower<'a> {
    /// An edge that has loaded everything and has said so.
    pub(crate) async fn current(service: &'a Service, name: &'a str) -> Self {
        let mut follower = Self { client: service.user("feed"), name, cursor: 0 };
        follower.ask("").await;
        follower.ask("").await;
        follower
    }

    /// Asks for what comes after what it has, takes it, and says so.
    pub(crate) async fn apply(&mut self) {
        self.ask("&wait=60s").await;
        self.ask("").await;
    }

    /// Asks for what comes after what it has, and takes it.
    pub(crate) async fn ask(&mut self, more: &str) {
        let page = self.page(self.cursor, more).await;
        assert!(!page.reset && !page.more);
        self.cursor = page.cursor.0;
    }

    /// Asks whatever it likes, and takes nothing.
    pub(crate) async fn page(&self, after: u64, more: &str) -> FeedPage {
        let name = self.name;
        let answer = self.client.get(&format!("/_latchkey/feed?after={after}&edge={name}{more}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        FeedPage::parse(answer.text.as_bytes(), Cursor(after)).unwrap()
    }
}
