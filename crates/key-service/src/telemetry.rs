//! What the service counts: names, labels and their meaning, for Prometheus.
//!
//! Labels come from small fixed sets: routes, statuses, reasons. A key, a name or an owner is never one.

pub mod connection_metrics;
pub mod edge_metrics;
pub mod tls_metrics;
pub mod usage_metrics;
pub mod work_metrics;

use std::sync::OnceLock;
use std::time::Duration;

use latchkey_build_info::{COMMIT, VERSION};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::audit::ChangeAction;
use crate::audit::directory_events::DirectoryAction;
use crate::audit::token_events::TokenAction;

const BUILD_INFO: &str = "latchkey_build_info";
const REQUESTS: &str = "latchkey_requests_total";
const REQUEST_SECONDS: &str = "latchkey_request_duration_seconds";
const KEYS_CREATED: &str = "latchkey_keys_created_total";
const KEYS_EXPIRING: &str = "latchkey_keys_expiring";
const KEYS_INVALIDATED: &str = "latchkey_keys_invalidated_total";
const DIRECTORY_CHANGES: &str = "latchkey_directory_changes_total";
const KEYS_REMOVED: &str = "latchkey_keys_removed_total";
const KEYS_ROTATED: &str = "latchkey_keys_rotated_total";
const KEYS_UPDATED: &str = "latchkey_keys_updated_total";
const FEED_POLLS_WAITING: &str = "latchkey_feed_polls_waiting";
const FEED_ROWS: &str = "latchkey_feed_rows_total";
const FEED_ROWS_WITHHELD: &str = "latchkey_feed_rows_withheld_total";
const FEED_RIGHTS_WITHHELD: &str = "latchkey_feed_rights_withheld_total";
const LOGINS_THROTTLED: &str = "latchkey_logins_throttled_total";
const AUTHENTICATION_UNAVAILABLE: &str = "latchkey_authentication_unavailable_total";
const REFUSALS: &str = "latchkey_authentication_failures_total";
const REFRESH_TOKENS_REUSED: &str = "latchkey_refresh_tokens_reused_total";
const TOKENS_CREATED: &str = "latchkey_tokens_created_total";
const TOKENS_INVALIDATED: &str = "latchkey_tokens_invalidated_total";
const KEY_SETS_UNREADABLE: &str = "latchkey_jwt_key_set_failures_total";
const STORE_ERRORS: &str = "latchkey_store_errors_total";

/// Upper bounds of the latency histogram, in seconds: from a look-up to the longest wait of a feed request.
pub const REQUEST_SECONDS_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

/// One feed request that waits; counted for as long as it lives.
#[derive(Debug)]
pub struct WaitingPoll(());

impl WaitingPoll {
    /// Counts one more.
    #[must_use]
    pub fn begin() -> Self {
        gauge!(FEED_POLLS_WAITING).increment(1);
        Self(())
    }
}

impl Drop for WaitingPoll {
    fn drop(&mut self) {
        gauge!(FEED_POLLS_WAITING).decrement(1);
    }
}

/// A request was answered. `route` is the pattern of its path.
pub fn request_answered(route: &str, method: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    let method = method.to_owned();
    counter!(REQUESTS, "route" => route.clone(), "method" => method.clone(), "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, "route" => route, "method" => method).record(took);
}

/// Keys were made, changed, ended or removed.
pub fn keys_changed(action: ChangeAction, count: usize) {
    let name = match action {
        ChangeAction::CloneApiKey
        | ChangeAction::CreateApiKey
        | ChangeAction::GrantApiKeys
        | ChangeAction::ImportApiKeys => KEYS_CREATED,
        // It is about no key.
        ChangeAction::BeginEpoch => return,
        ChangeAction::InvalidateApiKeys => KEYS_INVALIDATED,
        ChangeAction::RemoveApiKeys => KEYS_REMOVED,
        ChangeAction::RotateApiKey => KEYS_ROTATED,
        ChangeAction::ResumeApiKeys | ChangeAction::SuspendApiKeys | ChangeAction::UpdateApiKeys => {
            KEYS_UPDATED
        }
    };
    counter!(name).increment(count as u64);
}

/// Tokens were made or ended; an access token and its refresh token are two.
pub fn tokens_changed(action: TokenAction, count: u64) {
    let name = match action {
        TokenAction::CreateToken | TokenAction::RefreshToken => TOKENS_CREATED,
        TokenAction::EndTokenFamily | TokenAction::InvalidateTokens => TOKENS_INVALIDATED,
    };
    counter!(name).increment(count);
    if action == TokenAction::EndTokenFamily {
        counter!(REFRESH_TOKENS_REUSED).increment(1);
    }
}

/// Users, roles or application privileges were changed.
pub fn directory_changed(action: DirectoryAction) {
    counter!(DIRECTORY_CHANGES, "action" => <&'static str>::from(action)).increment(1);
}

/// The feed answered so many rows.
pub fn feed_rows_served(count: usize) {
    counter!(FEED_ROWS).increment(count as u64);
}

/// So many keys of a page that was read are told as removed, because no edge could hold or read them;
/// `reason` is out of a fixed set.
pub fn feed_rows_withheld(reason: &'static str, count: usize) {
    counter!(FEED_ROWS_WITHHELD, "reason" => reason).increment(count as u64);
}

/// Of so many keys of a page that was read it is not told what they may do; `reason` is out of a fixed set.
pub fn feed_rights_withheld(reason: &'static str, count: usize) {
    counter!(FEED_RIGHTS_WITHHELD, "reason" => reason).increment(count as u64);
}

/// Somebody was not authenticated; `reason` is out of a fixed set.
pub fn authentication_failed(reason: &'static str) {
    counter!(REFUSALS, "reason" => reason).increment(1);
}

/// The service could not tell who asks, because something that it needs is out of reach or overloaded;
/// `reason` is out of a fixed set.
pub fn authentication_unavailable(reason: &'static str) {
    counter!(AUTHENTICATION_UNAVAILABLE, "reason" => reason).increment(1);
}

/// A password was not looked at, because too many from the same source were wrong.
pub fn login_throttled() {
    counter!(LOGINS_THROTTLED).increment(1);
}

/// The keys of an issuer of JSON Web Tokens could not be read.
pub fn key_set_unreadable() {
    counter!(KEY_SETS_UNREADABLE).increment(1);
}

/// So many keys end soon.
pub fn keys_expiring(count: u64) {
    gauge!(KEYS_EXPIRING).set(count as f64);
}

/// The store did not do what it was asked.
pub fn store_failed(kind: &'static str) {
    counter!(STORE_ERRORS, "kind" => kind).increment(1);
}

/// Tells the recorder what each name means.
fn describe() {
    describe_gauge!(
        BUILD_INFO,
        "1; the labels say which version this is, and which commit it was built from."
    );
    describe_counter!(REQUESTS, "Requests answered, by route, method and status.");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from a request to its answer, by route and method."
    );
    describe_counter!(KEYS_CREATED, "API keys made.");
    describe_gauge!(KEYS_EXPIRING, "API keys that work and end within seven days, as of the last minute.");
    describe_counter!(KEYS_INVALIDATED, "API keys invalidated.");
    describe_counter!(KEYS_REMOVED, "Dead API keys removed for good.");
    describe_counter!(KEYS_ROTATED, "API keys given another secret.");
    describe_counter!(KEYS_UPDATED, "API keys updated.");
    describe_counter!(TOKENS_CREATED, "Access and refresh tokens made.");
    describe_counter!(TOKENS_INVALIDATED, "Access and refresh tokens invalidated.");
    describe_counter!(
        REFRESH_TOKENS_REUSED,
        "Refresh tokens that came back after they were exchanged, which ended every token of their family."
    );
    describe_counter!(DIRECTORY_CHANGES, "Changes of users, roles and application privileges, by action.");
    describe_gauge!(FEED_POLLS_WAITING, "Requests for the key feed that wait for a change.");
    describe_counter!(FEED_ROWS, "Rows of the key feed served.");
    describe_counter!(
        FEED_ROWS_WITHHELD,
        "API keys in pages that were read of which edges are told that they were removed, by reason."
    );
    describe_counter!(
        FEED_RIGHTS_WITHHELD,
        "API keys in pages that were read of which edges are not told what they may do, by reason."
    );
    describe_counter!(
        LOGINS_THROTTLED,
        "Logins refused with 429 after too many failed ones from the same source."
    );
    describe_counter!(
        AUTHENTICATION_UNAVAILABLE,
        "Credentials that could not be checked, by what was missing. Nothing is said of whoever sent them."
    );
    describe_counter!(REFUSALS, "Credentials that authenticated nobody, by reason.");
    describe_counter!(KEY_SETS_UNREADABLE, "Failures to read the keys of an issuer of JSON Web Tokens.");
    describe_counter!(STORE_ERRORS, "Failures of the store, by kind.");
    connection_metrics::describe();
    edge_metrics::describe();
    tls_metrics::describe();
    usage_metrics::describe();
    work_metrics::describe();
}

/// What was counted, ready to be rendered. The process has one recorder; the first call installs it.
///
/// Somebody must call `run_upkeep` on it every few seconds, or the samples of histograms pile up until they
/// are rendered.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let histograms: [(&str, &[f64]); 3] = [
        (REQUEST_SECONDS, &REQUEST_SECONDS_BUCKETS),
        (edge_metrics::PROPAGATION_SECONDS, &edge_metrics::SECONDS_BUCKETS),
        (edge_metrics::WAIT_SECONDS, &edge_metrics::SECONDS_BUCKETS),
    ];
    let recorder = histograms.into_iter().fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        // Only an empty list of buckets is refused.
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets).unwrap_or_default()
    });
    let recorder = recorder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder was installed before: /metrics will be empty");
    }
    describe();
    begin_at_zero();
    handle
}

/// What has no labels, or few, is there from the start, so that a rate is known from the first event on and
/// nothing looks absent.
fn begin_at_zero() {
    let counters = [
        FEED_ROWS,
        KEY_SETS_UNREADABLE,
        KEYS_CREATED,
        KEYS_INVALIDATED,
        KEYS_REMOVED,
        KEYS_ROTATED,
        KEYS_UPDATED,
        LOGINS_THROTTLED,
        REFRESH_TOKENS_REUSED,
        TOKENS_CREATED,
        TOKENS_INVALIDATED,
    ];
    for name in counters {
        counter!(name).increment(0);
    }
    usage_metrics::begin_at_zero();
    for kind in ["corrupt", "damaged", "id_taken", "unavailable"] {
        counter!(STORE_ERRORS, "kind" => kind).increment(0);
    }
    for reason in ["too_large", "unreadable"] {
        feed_rows_withheld(reason, 0);
        feed_rights_withheld(reason, 0);
    }
    gauge!(FEED_POLLS_WAITING).increment(0);
    edge_metrics::begin_at_zero();
    gauge!(BUILD_INFO, "version" => VERSION, "commit" => COMMIT).set(1.0);
}
