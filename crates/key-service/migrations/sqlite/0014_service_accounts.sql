-- Owners of keys that are no people: service accounts. They have no password, so nobody logs in as one.

-- SQLite cannot make a column nullable, so the table is made anew.
create table native_user_with_accounts (
    -- The name within the realm; never changed.
    username text not null primary key,
    -- What is kept of the password: an Argon2id hash in the PHC string format; null for a service account.
    password_hash text,
    -- Names of roles, a JSON array. A role that does not exist grants nothing.
    roles text not null,
    -- The full name; null when there is none.
    full_name text,
    -- The email address; null when there is none.
    email text,
    -- Whatever was attached to the user, a JSON object.
    metadata text not null,
    -- 1 for a user who is let in, 0 for one who is not.
    enabled integer not null check (enabled in (0, 1)),
    -- The realm by which the account's keys name it, while they are suspended: they do not work, and the feed says that they
    -- are removed. Null when they are not.
    suspended_realm text check (suspended_realm is null or (enabled = 0 and password_hash is null))
) strict;
insert into native_user_with_accounts (username, password_hash, roles, full_name, email, metadata, enabled)
    select username, password_hash, roles, full_name, email, metadata, enabled from native_user;
drop table native_user;
alter table native_user_with_accounts rename to native_user;

create index native_user_suspended on native_user (username) where suspended_realm is not null;

-- The owners whose keys are suspended, as keys name them. Keys that other keys made do not keep their owner's realm.
create view suspended_owner (username, realm) as
    select username, suspended_realm from native_user where suspended_realm is not null
    union all
    select username, '_es_api_key' from native_user where suspended_realm is not null;
