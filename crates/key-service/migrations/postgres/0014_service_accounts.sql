-- Owners of keys that are no people: service accounts. They have no password, so nobody logs in as one.

-- Null for a service account.
alter table native_user alter column password_hash drop not null;
-- The realm by which the account's keys name it, while they are suspended: they do not work, and the feed says that they
-- are removed. Null when they are not.
alter table native_user add column suspended_realm text;
alter table native_user add check (suspended_realm is null or (not enabled and password_hash is null));

create index native_user_suspended on native_user (username) where suspended_realm is not null;

-- The owners whose keys are suspended, as keys name them. Keys that other keys made do not keep their owner's realm.
create view suspended_owner (username, realm) as
    select username, suspended_realm from native_user where suspended_realm is not null
    union all
    select username, '_es_api_key' from native_user where suspended_realm is not null;
