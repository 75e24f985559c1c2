use std::time::Duration;

use futures_util::FutureExt as _;
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde_json::{Value, json};

use super::*;
use crate::limits::work_limits::{LONG_TEXTS_LEN, WORK_WAITING_PER_PRINCIPAL_MAX};
use crate::security::roles::Roles;
use crate::store::tests::{ScratchStore, actor, key};

fn roles(value: Value) -> RoleDescriptors {
    serde_json::from_value(value).unwrap()
}

/// Role descriptors of 20 KB that allow to follow the feed.
fn long_roles() -> RoleDescriptors {
    let patterns: Vec<String> = (0..1_000).map(|n| format!("cluster:none/{n:04}/*")).collect();
    roles(json!({"long": {"cluster": patterns}, "feed": {"cluster": ["read_key_feed"]}}))
}

async fn add(scratch: &ScratchStore, id: &str, username: &str, role_descriptors: RoleDescriptors) {
    let mut key = StoredKey { role_descriptors, limited_by: long_roles(), ..key(id) };
    key.owner.username = username.to_owned();
    scratch.store.create(key, actor(), UnixMillis(1)).await.unwrap();
}

async fn entry(scratch: &ScratchStore, id: &str) -> Arc<KeyEntry> {
    scratch.store.find_entry(id).await.unwrap().unwrap()
}

fn authorization(scratch: &ScratchStore) -> AuthorizationService {
    let resolver = RoleResolver::new(Roles::new([]), scratch.store.clone(), Vec::new());
    AuthorizationService::new(scratch.store.clone(), resolver)
}

fn untold() -> impl FnOnce(&Cost) + Send + 'static {
    |_: &Cost| {}
}

#[tokio::test]
async fn of_a_long_key_only_what_proves_it_is_read_before_it_is_proven() {
    let scratch = ScratchStore::new().await;
    add(&scratch, "long", "mallory", RoleDescriptors::default()).await;
    scratch.create("short").await;
    assert!(entry(&scratch, "short").await.whole.is_some());
    let long = entry(&scratch, "long").await;
    assert!(long.whole.is_none());
    let found = scratch.store.find("long").await.unwrap().unwrap();
    assert!(serde_json::to_string(&found.limited_by).unwrap().len() > LONG_TEXTS_LEN);
    assert_eq!((&long.id, long.secrets), (&found.id, found.secrets));
    assert_eq!((&long.username, &long.realm), (&found.owner.username, &found.owner.realm));
}

#[tokio::test]
async fn what_a_long_key_may_do_is_what_a_short_one_with_its_words_may() {
    let scratch = ScratchStore::new().await;
    let none = roles(json!({"none": {}}));
    add(&scratch, "all", "mallory", RoleDescriptors::default()).await;
    add(&scratch, "none", "mallory", none).await;
    let authorization = authorization(&scratch);
    for (id, may) in [("all", true), ("none", false)] {
        let entry = entry(&scratch, id).await;
        let info = authorization.of_key(&entry, untold).await.unwrap();
        let whole = authorization.whole_key(&entry, untold).await.unwrap().key;
        let words = EffectivePermission::of_key(&whole.role_descriptors, &whole.limited_by);
        for request in [ClusterRequest::ReadKeyFeed, ClusterRequest::CreateKey, ClusterRequest::Authenticate]
        {
            let allows = |permission: &EffectivePermission| permission.allows(&request, &info.caller);
            assert_eq!(allows(&info.permission), allows(&words), "{request:?}");
        }
        assert_eq!(info.permission.allows(&ClusterRequest::ReadKeyFeed, &info.caller), may);
    }
}

#[tokio::test]
async fn while_long_keys_of_one_owner_wait_short_ones_and_those_of_others_do_not() {
    let scratch = ScratchStore::new().await;
    add(&scratch, "mallorys", "mallory", RoleDescriptors::default()).await;
    add(&scratch, "bobs", "bob", RoleDescriptors::default()).await;
    scratch.create("short").await;
    let authorization = authorization(&scratch);
    let (mallorys, bobs, short) =
        (entry(&scratch, "mallorys").await, entry(&scratch, "bobs").await, entry(&scratch, "short").await);
    let permit = authorization.lane.take_permit(&mallorys.principal()).await.unwrap();
    let mut waits = Box::pin(authorization.of_key(&mallorys, untold));
    assert!((&mut waits).now_or_never().is_none());
    assert!(authorization.of_key(&short, untold).now_or_never().unwrap().is_ok(), "nothing was waited for");
    assert!(authorization.of_key(&bobs, untold).await.is_ok());
    drop(permit);
    assert!(waits.await.is_ok());
}

#[tokio::test]
async fn whoever_has_all_his_places_is_refused_and_others_are_not() {
    let scratch = ScratchStore::new().await;
    add(&scratch, "mallorys", "mallory", RoleDescriptors::default()).await;
    add(&scratch, "bobs", "bob", RoleDescriptors::default()).await;
    let authorization = authorization(&scratch);
    let principal = entry(&scratch, "mallorys").await.principal();
    let _permit = authorization.lane.take_permit(&principal).await.unwrap();
    // Each of another reading: those who share one stand in one place.
    let mut waiting = Vec::new();
    for _ in 0..WORK_WAITING_PER_PRINCIPAL_MAX {
        let mallorys = entry(&scratch, "mallorys").await;
        let mut waits = Box::pin({
            let authorization = &authorization;
            async move { authorization.of_key(&mallorys, untold).await }
        });
        assert!((&mut waits).now_or_never().is_none());
        waiting.push(waits);
    }
    let mallorys = entry(&scratch, "mallorys").await;
    let refused = authorization.of_key(&mallorys, untold).await;
    assert!(
        matches!(refused, Err(AuthorizationError::BudgetExceeded(BudgetExceeded::Crowded))),
        "{refused:?}"
    );
    assert!(authorization.of_key(&entry(&scratch, "bobs").await, untold).await.is_ok());
}

#[tokio::test]
async fn whoever_shares_a_reading_shares_what_was_worked_out() {
    let scratch = ScratchStore::new().await;
    add(&scratch, "long", "mallory", RoleDescriptors::default()).await;
    let (authorization, long) = (authorization(&scratch), entry(&scratch, "long").await);
    let of = |entry| authorization.of_key(entry, untold);
    let (one, two) = tokio::join!(of(&long), of(&long));
    assert!(Arc::ptr_eq(&one.unwrap().permission, &two.unwrap().permission));
    let later = entry(&scratch, "long").await;
    let (one, two) = tokio::join!(of(&long), of(&later));
    assert!(!Arc::ptr_eq(&one.unwrap().permission, &two.unwrap().permission));
}

#[tokio::test]
async fn the_memory_of_a_long_key_is_given_back_with_what_it_may_do() {
    let scratch = ScratchStore::new().await;
    add(&scratch, "long", "mallory", RoleDescriptors::default()).await;
    add(&scratch, "other", "mallory", RoleDescriptors::default()).await;
    let authorization = authorization(&scratch);
    let info = authorization.of_key(&entry(&scratch, "long").await, untold).await.unwrap();
    let held = authorization.memory.held();
    assert!(held >= LONG_TEXTS_LEN * ROLES_HELD_PER_BYTE, "{held}");
    // Only the latest is kept, for those who come at the same moment.
    let other = authorization.of_key(&entry(&scratch, "other").await, untold).await.unwrap();
    assert!(authorization.memory.held() > held);
    drop((info, other));
    assert!(authorization.memory.held() <= held);
}

#[tokio::test]
async fn the_roles_of_a_user_that_are_long_together_wait_for_a_permit() {
    let scratch = ScratchStore::new().await;
    let half: Vec<String> = (0..500).map(|n| format!("cluster:none/{n:04}/*")).collect();
    for name in ["one", "two"] {
        let role = roles(json!({"r": {"cluster": half, "run_as": [name]}})).get("r").unwrap().clone();
        scratch.store.directory().put_role(name.to_owned(), role, actor(), UnixMillis(1)).await.unwrap();
    }
    let authorization = authorization(&scratch);
    let user = |roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Arc::new(User { roles, ..User::nobody("mallory".to_owned()) })
    };
    let (long, short) = (user(&["one", "two", "superuser", "gone"]), user(&["one", "gone"]));
    let permit = authorization.lane.take_permit(&Principal::new("mallory", &long.realm.name)).await.unwrap();
    let info = authorization.of_user(&short, untold).await.unwrap();
    assert_eq!(info.roles.names, ["one"]);
    let waits = authorization.of_user(&long, untold);
    tokio::pin!(waits);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waits).await.is_err());
    drop(permit);
    let info = waits.await.unwrap();
    assert_eq!((info.roles.names.len(), info.roles.missing.as_slice()), (3, &["gone".to_owned()][..]));
    assert_eq!((info.allows_run_as("two"), info.allows_run_as("one")), (Ok(true), Ok(true)));
}
