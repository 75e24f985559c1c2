use latchkey_budget::Cancellation;
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;
use serde_json::{Map, json};

use super::{actor, key, object};
use crate::limits::{APPLICATION_PRIVILEGES_MAX, NATIVE_ROLES_MAX, NATIVE_USERS_MAX};
use crate::model::password::{Password, PasswordHash};
use crate::model::stored_user::{UserKind, UserProfile};
use crate::randomness::SystemRandomness;
use crate::store::directory::users::{Account, KeysLeft, KeysOfUser, UserRefusal};
use crate::store::directory::{PrivilegeFilter, PutPrivileges, Written};
use crate::store::tests::ScratchStore;
use crate::store::{KeyFilter, StoreError};

const NOW: UnixMillis = UnixMillis(7);

pub(super) fn hash(password: &str) -> PasswordHash {
    PasswordHash::of(&Password::presented(password.as_bytes().to_vec()), &SystemRandomness).unwrap()
}

pub(super) fn native(username: &str) -> Account {
    Account { username: username.to_owned(), realm: "native".to_owned(), kind: UserKind::Native }
}

pub(super) fn profile(role: &str) -> UserProfile {
    UserProfile {
        roles: vec![role.to_owned()],
        full_name: None,
        email: Some("a@example.org".to_owned()),
        metadata: object(json!({"n": {"m": 1.5}})),
        enabled: true,
    }
}

fn privilege(name: &str) -> ApplicationPrivilege {
    ApplicationPrivilege {
        application: "shop".to_owned(),
        name: name.to_owned(),
        actions: vec!["a:*".to_owned()],
        metadata: Map::new(),
    }
}

#[tokio::test]
async fn keeps_users_as_they_were_written() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let put = async |role: &str, password: Option<PasswordHash>| {
        let keep = KeysOfUser::Keep;
        store.users().put(native("alice"), profile(role), password, keep, actor(), NOW).await.unwrap()
    };
    assert_eq!(put("a", None).await, Err(UserRefusal::PasswordRequired));
    let first = hash("first");
    assert_eq!(put("a", Some(first.clone())).await.unwrap().0, Written::Created);
    assert_eq!(put("b", None).await.unwrap().0, Written::Updated);
    let user = store.users().native("alice").await.unwrap().unwrap();
    assert_eq!((user.profile, user.password.unwrap().to_string()), (profile("b"), first.to_string()));
    assert!(store.users().native("Alice").await.unwrap().is_none());
    let deleted = store.users().delete(native("alice"), KeysOfUser::Keep, actor(), NOW).await.unwrap();
    assert_eq!(deleted, Some(KeysLeft::default()));
    assert!(store.users().scan(None, Cancellation::default()).all().await.unwrap().is_empty());
}

#[tokio::test]
async fn remembers_what_was_changed_of_a_reserved_user() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let reserved = async || store.users().reserved("elastic").await.unwrap();
    assert!(reserved().await.is_none());
    let elastic = || Account::reserved("elastic");
    let disabled = store.users().disable(elastic(), KeysOfUser::Keep, actor(), NOW).await.unwrap();
    assert_eq!(disabled, Some(KeysLeft::default()));
    assert!(reserved().await.unwrap().password.is_none());
    assert!(store.users().change_password(elastic(), hash("x"), actor(), NOW).await.unwrap());
    let kept = reserved().await.unwrap();
    assert!(kept.password.is_some());
    assert!(!kept.enabled, "another password lets nobody in again");
    assert!(store.users().reset(elastic(), actor(), NOW).await.unwrap());
    assert!(reserved().await.is_none());
}

// PostgreSQL finds nothing again that is longer than an entry of its index (manual, section 64.1.4).
#[tokio::test]
async fn a_name_of_any_length_is_kept_or_refused_whole() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    // Nothing that could be made shorter.
    let name: String =
        (0_u64..2_000).map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let put = store
        .directory()
        .put_application_privileges(vec![privilege("p"), privilege(&name)], actor(), NOW)
        .await;
    let kept = store
        .directory()
        .scan_privileges(&PrivilegeFilter::default(), Cancellation::default())
        .all()
        .await
        .unwrap();
    match put {
        Ok(_) => assert_eq!(kept.len(), 2),
        Err(error) => {
            assert!(matches!(error, StoreError::TextTooLong), "{error:?}");
            assert!(store.may_have_replicas(), "SQLite keeps it");
            assert_eq!(kept, []);
        }
    }
    let mut owned = key("of-somebody-with-a-long-name");
    owned.owner.username = name.clone();
    store.create(owned.clone(), actor(), NOW).await.unwrap();
    let of_owner = KeyFilter { username: Some(name), ..KeyFilter::default() };
    assert_eq!(store.scan(&of_owner, Cancellation::default()).all().await.unwrap(), [owned]);
}

/// The audit log has a row for each change and none for what changed nothing.
#[tokio::test]
async fn every_change_of_the_directory_is_in_the_trail() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let password = Some(hash("x"));
    let role = RoleDescriptor::default;
    let keep = KeysOfUser::Keep;
    store.users().put(native("u"), profile("r"), None, keep, actor(), NOW).await.unwrap().unwrap_err();
    store.users().put(native("u"), profile("r"), password, keep, actor(), NOW).await.unwrap().unwrap();
    store.users().disable(native("u"), keep, actor(), NOW).await.unwrap();
    store.users().disable(native("nobody"), keep, actor(), NOW).await.unwrap();
    store.users().change_password(native("u"), hash("y"), actor(), NOW).await.unwrap();
    store.users().delete(native("u"), keep, actor(), NOW).await.unwrap();
    store.users().delete(native("u"), keep, actor(), NOW).await.unwrap();
    store.directory().put_role("r".into(), role(), actor(), NOW).await.unwrap();
    store.directory().delete_role("r".into(), actor(), NOW).await.unwrap();
    store.directory().delete_role("r".into(), actor(), NOW).await.unwrap();
    let both = vec![privilege("p"), privilege("q")];
    let put = store.directory().put_application_privileges(both, actor(), NOW).await.unwrap();
    assert_eq!(put, PutPrivileges::Done(vec![true, true]));
    let names = vec!["q".to_owned(), "z".to_owned()];
    let found =
        store.directory().delete_application_privileges("shop".into(), names, actor(), NOW).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("q".to_owned(), true), ("z".to_owned(), false)]);
    let left = store
        .directory()
        .scan_privileges(&PrivilegeFilter::default(), Cancellation::default())
        .all()
        .await
        .unwrap();
    assert_eq!(left, [privilege("p")]);

    let audit_log: Vec<(String, String)> = store.database.directory_events().await;
    let seen: Vec<(&str, &str)> =
        audit_log.iter().map(|(what, whom)| (what.as_str(), whom.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("put_user", r#"["u"]"#),
            ("disable_user", r#"["u"]"#),
            ("change_password", r#"["u"]"#),
            ("delete_user", r#"["u"]"#),
            ("put_role", r#"["r"]"#),
            ("delete_role", r#"["r"]"#),
            ("put_privileges", r#"["shop:p","shop:q"]"#),
            ("delete_privileges", r#"["shop:q","shop:z"]"#),
        ]
    );
}

#[tokio::test]
async fn there_are_only_so_many_users_roles_and_privileges() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let one_less = [NATIVE_USERS_MAX, NATIVE_ROLES_MAX, APPLICATION_PRIVILEGES_MAX].map(|count| count - 1);
    store.database.fill_directory(one_less[0], one_less[1], one_less[2]).await;
    let put_user = async |name: &str| {
        let keep = KeysOfUser::Keep;
        let put = store.users().put(native(name), profile("a"), Some(hash("x")), keep, actor(), NOW).await;
        put.unwrap().map(|(written, _)| written)
    };
    assert_eq!(put_user("last").await, Ok(Written::Created));
    assert_eq!(put_user("too many").await, Err(UserRefusal::Full));
    assert_eq!(put_user("last").await, Ok(Written::Updated));
    let put_role = async |name: &str| {
        store.directory().put_role(name.to_owned(), RoleDescriptor::default(), actor(), NOW).await.unwrap()
    };
    assert_eq!(put_role("last").await, Some(Written::Created));
    assert_eq!(put_role("too many").await, None);
    assert_eq!(put_role("last").await, Some(Written::Updated));
    let put_privilege = async |name: &str| {
        let put = store.directory().put_application_privileges(vec![privilege(name)], actor(), NOW);
        put.await.unwrap()
    };
    assert_eq!(put_privilege("last").await, PutPrivileges::Done(vec![true]));
    assert_eq!(put_privilege("too many").await, PutPrivileges::TooMany);
    assert_eq!(put_privilege("last").await, PutPrivileges::Done(vec![false]));
}
