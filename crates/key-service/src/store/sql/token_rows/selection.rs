//! Which tokens an invalidation is about.

use latchkey_key_feed::UnixMillis;

use crate::limits::authentication_limits::REFRESH_TOKEN_LIFE;
use crate::model::stored_token::TokenId;
use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::row::millis;
use crate::store::sql::transaction::Transaction;
use crate::store::tokens::{AskedFor, TokenSelection};

/// A token that an invalidation is about.
pub(super) struct SelectedToken {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) realm: String,
    pub(super) is_invalidated: bool,
}

/// The tokens that an invalidation is about, by the column in which it is noted. Refresh tokens come first,
/// as in Elasticsearch.
pub(super) async fn selected(
    change: &mut Transaction,
    selection: &TokenSelection,
    now: UnixMillis,
) -> Result<Vec<(&'static str, Vec<SelectedToken>)>, StoreError> {
    const ACCESS: &str = "access_invalidation";
    const REFRESH: &str = "refresh_invalidation";
    let mut access = Query::new(columns(ACCESS));
    let mut refresh = Query::new(columns(REFRESH));
    match selection {
        TokenSelection::Access(digest) => {
            access.push("access_digest = ").push_bind(digest.as_bytes());
            return Ok(vec![(ACCESS, fetch(change, access).await?)]);
        }
        TokenSelection::Refresh(digest) => {
            refresh.push("refresh_digest = ").push_bind(digest.as_bytes());
            return Ok(vec![(REFRESH, fetch(change, refresh).await?)]);
        }
        TokenSelection::Family(TokenId(one)) => {
            let first = "select coalesce(family, token_id) as family from token where token_id = ?";
            let Some(row) = change.fetch_optional(Query::new(first).bind(*one)).await? else {
                return Ok(Vec::new());
            };
            let first: i64 = row.scalar()?;
            push_living_halves(&mut access, &mut refresh, now, |query| {
                query.push(" and (token_id = ").push_bind(first);
                query.push(" or family = ").push_bind(first).push(")");
            });
        }
        TokenSelection::HeldBy { username, realm, asked_for } => {
            push_living_halves(&mut access, &mut refresh, now, |query| {
                query.push(" and ((subject_username = ").push_bind(username);
                query.push(" and subject_realm = ").push_bind(realm);
                query.push(") or (client_username = ").push_bind(username);
                query.push(" and client_realm = ").push_bind(realm);
                query.push(match asked_for {
                    AskedFor::All => "))",
                    // What comes without a refresh token was given to the client for what the client is.
                    AskedFor::ByItsPassword => " and refresh_digest is null))",
                });
            });
        }
        TokenSelection::HeldByOthers { realm, usernames } => {
            push_living(&mut access, now);
            push_living(&mut refresh, now);
            refresh.push(" and refresh_digest is not null");
            for query in [&mut access, &mut refresh] {
                query.push(" and ((subject_realm = ").push_bind(realm);
                query.push(" and not (subject_username ").push_in_texts(usernames)?;
                query.push(")) or (client_realm = ").push_bind(realm);
                query.push(" and not (client_username ").push_in_texts(usernames)?.push(")))");
            }
        }
        TokenSelection::Of { username, realm } => {
            push_living_halves(&mut access, &mut refresh, now, |query| {
                if let Some(username) = username {
                    query.push(" and subject_username = ").push_bind(username);
                }
                if let Some(realm) = realm {
                    query.push(" and subject_realm = ").push_bind(realm);
                }
            });
        }
    }
    Ok(vec![(REFRESH, fetch(change, refresh).await?), (ACCESS, fetch(change, access).await?)])
}

fn columns(invalidation: &'static str) -> String {
    format!(
        "select token_id, subject_username, subject_realm, {invalidation} is not null as is_invalidated
         from token where "
    )
}

/// Restricts both to pairs that are alive and match `condition`.
fn push_living_halves(
    access: &mut Query,
    refresh: &mut Query,
    now: UnixMillis,
    condition: impl Fn(&mut Query),
) {
    push_living(access, now);
    push_living(refresh, now);
    refresh.push(" and refresh_digest is not null");
    condition(access);
    condition(refresh);
}

/// Pairs of which at least one half can still be used.
fn push_living(query: &mut Query, now: UnixMillis) {
    let oldest = now.minus(REFRESH_TOKEN_LIFE);
    query.push("((access_invalidation is null and access_expiration > ").push_bind(millis(now));
    query.push(") or (refresh_digest is not null and refresh_invalidation is null and creation > ");
    query.push_bind(millis(oldest)).push("))");
}

async fn fetch(change: &mut Transaction, query: Query) -> Result<Vec<SelectedToken>, StoreError> {
    let rows = change.fetch_all(query).await?;
    rows.iter()
        .map(|row| {
            Ok(SelectedToken {
                id: row.get("token_id")?,
                username: row.get("subject_username")?,
                realm: row.get("subject_realm")?,
                is_invalidated: row.get("is_invalidated")?,
            })
        })
        .collect()
}
