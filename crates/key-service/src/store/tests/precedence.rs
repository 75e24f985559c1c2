//! The order of changes under load.

use std::time::Duration;

use latchkey_key_feed::Cursor;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;

use super::*;
use crate::limits::GROUP_KEYS_MAX;
use crate::store::directory::{PrivilegeFilter, PutPrivileges};
use crate::store::update::{KeyChange, KeyUpdate, UpdateRefusal};

/// Long enough for changes to come to where they wait, on a busy machine too.
const UNTIL_ALL_WAIT: Duration = Duration::from_millis(500);

fn update() -> KeyUpdate {
    let key = key("any");
    KeyUpdate {
        owner: key.owner,
        limited_by: key.limited_by,
        role_descriptors: Some(roles(json!({"writer": {}}))),
        metadata: None,
        expiration: None,
        lifetime_max: None,
        is_vouched: false,
    }
}

impl ScratchStore {
    /// The actions of the audit log but for the first ones.
    async fn actions_after(&self, count: usize) -> Vec<String> {
        let events = self.store.database.events().await;
        events.into_iter().skip(count).map(|(action, ..)| action).collect()
    }
}

// Ten thousand keys were one transaction of seconds.
#[tokio::test]
async fn an_invalidation_is_made_between_two_parts_of_an_update_of_many_keys() {
    let scratch = ScratchStore::new().await;
    let ids: Vec<String> = (0..12 * GROUP_KEYS_MAX).map(|number| format!("key-{number:05}")).collect();
    let keys = ids.iter().map(|id| key(id)).collect();
    let action = crate::audit::ChangeAction::GrantApiKeys;
    scratch.store.add(keys, action, actor(), UnixMillis(1)).await.unwrap();
    let mut changes = scratch.store.changes();
    changes.mark_unchanged();
    let (store, named) = (scratch.store.clone(), ids.clone());
    let updated =
        tokio::spawn(async move { store.update(named, update(), actor(), UnixMillis(5)).await.unwrap() });
    changes.changed().await.unwrap();
    let last = ids.last().unwrap();
    assert_eq!(scratch.invalidate(last).await.len(), 1);
    let mut outcomes = updated.await.unwrap().outcome;
    assert_eq!(outcomes.len(), ids.len());
    assert_eq!(outcomes.pop(), Some((last.clone(), Err(UpdateRefusal::Invalidated))));
    assert!(outcomes.iter().zip(&ids).all(|(outcome, id)| *outcome == (id.clone(), Ok(KeyChange::Updated))));
}

#[tokio::test]
async fn an_update_of_keys_that_are_not_the_owners_does_not_wait_for_a_change() {
    let scratch = ScratchStore::new().await;
    let theirs =
        StoredKey { owner: KeyOwner { username: "bob".into(), ..key("theirs").owner }, ..key("theirs") };
    scratch.store.create(theirs, actor(), UnixMillis(1)).await.unwrap();
    let before = scratch.store.latest().await.unwrap();
    let held = scratch.store.database.begin_unfinished_change("held").await;
    let ids = ["unknown", "theirs", "with a \0"].map(str::to_owned).to_vec();
    let updated = scratch.store.update(ids.clone(), update(), actor(), UnixMillis(5)).await.unwrap();
    let expected: Vec<_> = ids.into_iter().map(|id| (id, Err(UpdateRefusal::NotFound))).collect();
    assert_eq!((updated.outcome, updated.cursor), (expected, None));
    held.await.unwrap();
    assert_eq!(scratch.store.latest().await.unwrap(), Cursor(before.0 + 1), "the held one alone");
}

// Before, the revocations of others waited behind all changes of one user.
#[tokio::test]
async fn an_invalidation_does_not_stand_behind_all_changes_of_roles_that_another_asks_for() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    let before = scratch.actions_after(0).await.len();
    let held = scratch.store.database.begin_unfinished_change("held").await;
    let mallory = Actor { username: "mallory".into(), ..actor() };
    let puts: Vec<_> = (0..20)
        .map(|number| {
            let (store, mallory, name) = (scratch.store.clone(), mallory.clone(), format!("role-{number}"));
            tokio::spawn(async move {
                store.directory().put_role(name, RoleDescriptor::default(), mallory, UnixMillis(5)).await
            })
        })
        .collect();
    // All of them, and then the invalidation, wait for the change that is held, before it goes on.
    tokio::time::sleep(UNTIL_ALL_WAIT).await;
    let invalidation = async { scratch.invalidate("a").await };
    let (ended, held) = tokio::join!(invalidation, async {
        tokio::time::sleep(UNTIL_ALL_WAIT).await;
        held.await
    });
    held.unwrap();
    assert_eq!(ended.len(), 1);
    for put in puts {
        put.await.unwrap().unwrap();
    }
    let actions = scratch.actions_after(before).await;
    let place = actions.iter().position(|action| action == "invalidate_api_keys").unwrap();
    assert!(place <= 2, "it was number {place} of {actions:?}");
}

#[tokio::test]
async fn a_full_set_of_application_privileges_is_written_and_told_by_name() {
    let scratch = ScratchStore::new().await;
    let privilege = |name: String, action: &str| ApplicationPrivilege {
        application: "shop".into(),
        name,
        actions: vec![action.to_owned()],
        metadata: Map::new(),
    };
    let put =
        |privileges| scratch.store.directory().put_application_privileges(privileges, actor(), UnixMillis(5));
    put(vec![privilege("p7".into(), "old:*")]).await.unwrap();
    let mut many: Vec<_> = (0..500).map(|number| privilege(format!("p{number}"), "new:*")).collect();
    many.push(privilege("p0".into(), "newest:*"));
    let created = put(many).await.unwrap();
    let expected: Vec<bool> = (0..501).map(|number| number != 7 && number != 500).collect();
    assert_eq!(created, PutPrivileges::Done(expected));
    let stored = scratch
        .store
        .directory()
        .scan_privileges(&PrivilegeFilter::default(), Cancellation::default())
        .all()
        .await
        .unwrap();
    assert_eq!(stored.len(), 500);
    for privilege in stored {
        let action = if privilege.name == "p0" { "newest:*" } else { "new:*" };
        assert_eq!(privilege.actions, [action], "{}", privilege.name);
    }
    let names = ["p3", "nobody", "with a \0"].map(str::to_owned).to_vec();
    let removed = scratch
        .store
        .directory()
        .delete_application_privileges("shop".into(), names, actor(), UnixMillis(5))
        .await
        .unwrap();
    assert_eq!(removed.values().copied().collect::<Vec<_>>(), [false, true, false]);
}
