//! A table that nobody refreshes serves for a while, and then no longer.

use latchkey_local_stack::fake_key_service::FeedManner;
use latchkey_local_stack::http::Request;
use serde_json::json;

use crate::stage::{Stage, configure, encoded, key};

#[test]
fn a_table_that_is_too_old_refuses_everybody_until_it_is_fresh() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/key_service/wait", json!("1s"));
        configure(config, "/key_service/fetch_timeout", json!("1s"));
        configure(config, "/staleness/stale_after", json!("3s"));
        configure(config, "/staleness/refuse_after", json!("4s"));
    });
    let good = encoded("id", "secret");
    stage.await_admitted(&good);
    stage.keys.behave(FeedManner::Closing);
    // Stale is not too old yet.
    assert_eq!(stage.status_for(&good), 200);
    stage.until("the table is too old", || stage.status_for(&good) != 200);

    let answer = stage.send(&Request::get("/too-old").api_key(&good));
    assert_eq!(answer.status, 503, "trouble with the table is told as a bad key: {}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(stage.details("/too-old"), "latchkey_table_too_old");
    // Whether a key is unknown cannot be told from such a table either.
    assert_eq!(stage.status_for(&encoded("nobody", "secret")), 503);
    stage.until("the gauge tells the age", || stage.stat("table.age_ms") >= 4_000);

    stage.keys.behave(FeedManner::Truthful);
    stage.await_admitted(&good);
    stage.await_refused(&encoded("nobody", "secret"));
}
