//! An edge as the service sees it: somebody who asks for the feed under a name.

use axum::http::StatusCode;
use latchkey_key_feed::{Cursor, FeedPage};
use serde_json::Value;

use crate::service::{Answer, Client, Service};

/// What an answer says of how far a change has come, without which change of which feed that is.
pub(crate) fn reached(answer: &Value) -> Value {
    let mut edges = answer["edges"].clone();
    let fields = edges.as_object_mut().unwrap();
    fields.remove("epoch").unwrap();
    fields.remove("cursor");
    edges
}

/// An edge that asks when the test says so, and remembers its cursor.
pub(crate) struct Follower<'a> {
    client: Client<'a>,
    name: &'a str,
    /// What it says of itself besides its name.
    identity: String,
    pub(crate) cursor: u64,
}

impl<'a> Follower<'a> {
    /// An edge that has loaded everything and has said so.
    pub(crate) async fn current(service: &'a Service, name: &'a str) -> Self {
        let mut follower = Self { client: service.user("feed"), name, identity: String::new(), cursor: 0 };
        follower.load().await;
        follower
    }

    /// The same by a client of its own, as an instance with this number that admits for so long after an
    /// answer.
    pub(crate) async fn instance(
        client: Client<'a>,
        name: &'a str,
        number: u128,
        refuse_after: &str,
    ) -> Self {
        let identity = format!("&epoch=epoch&instance={number:032x}&refuse_after={refuse_after}");
        let mut follower = Self { client, name, identity, cursor: 0 };
        follower.load().await;
        follower
    }

    async fn load(&mut self) {
        self.ask("").await;
        self.ask("").await;
    }

    /// The same edge by another client.
    pub(crate) fn by<'b>(&self, client: Client<'b>) -> Follower<'b>
    where
        'a: 'b,
    {
        Follower { client, name: self.name, identity: self.identity.clone(), cursor: self.cursor }
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
        let answer = self.answer(after, more).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        FeedPage::parse(answer.text.as_bytes(), Cursor(after)).unwrap()
    }

    /// The same, whatever is answered.
    pub(crate) async fn answer(&self, after: u64, more: &str) -> Answer {
        let Self { name, identity, .. } = self;
        self.client.get(&format!("/_latchkey/feed?after={after}&edge={name}{identity}{more}")).await
    }
}
