-- The keys, the position of the change feed, and the trail of every change.
-- Times are milliseconds since 1970-01-01T00:00:00Z. JSON is stored as text, compact, because PostgreSQL's own type would not give it
-- back as it was. What is compared or sorted is so by its bytes, as in SQLite.

-- One row: where the change feed stands.
create table feed_state (
    -- Always 1, so that there is one row.
    singleton bigint primary key check (singleton = 1),
    -- Which feed this is; drawn at random when the store is made and never changed by the service.
    epoch text not null,
    -- Sequence number of the latest change, taken inside the transaction that makes it. Making the store is number 1, so
    -- that a follower of an empty store has a position to wait at.
    seq bigint not null check (seq >= 1),
    -- Highest sequence number of a row that was removed for good. A follower that has read less may have missed it.
    purged_through bigint not null check (purged_through >= 0 and purged_through <= seq),
    -- How many keys are not invalidated; kept with every change, because counting a million rows takes too long.
    keys_live bigint not null check (keys_live >= 0)
);

-- One row a key, dead or alive.
create table api_key (
    -- Never changed.
    -- The public half of the credential.
    id text collate "C" not null primary key,
    -- Rises with every key that is made: the order in which they are read one after the other.
    rowid bigint generated always as identity unique,
    -- When the key was made.
    creation bigint not null,

    -- The secret, as far as it is kept. Changed when a key is given a new one.
    -- Sixteen random bytes.
    salt bytea not null check (length(salt) = 16),
    -- SHA-256 of salt and secret.
    digest bytea not null check (length(digest) = 32),

    -- The owner, as the owner was when the key was made or last updated.
    -- The name within the realm.
    owner_username text not null,
    -- The realm's name; equal usernames of two realms are two owners.
    owner_realm text not null,
    -- The realm's type; null when it was not known.
    owner_realm_type text,
    -- The full name; null when there was none.
    owner_full_name text,
    -- The email address; null when there was none.
    owner_email text,
    -- What the realm knows of the user besides, a JSON object.
    owner_metadata text not null,

    -- What the key is. Changed by updates.
    -- The name its maker gave it; not unique.
    name text collate "C" not null,
    -- When the key ends; null is never.
    expiration bigint,
    -- The key's own role descriptors, a JSON object by role name; empty when it inherits the owner's.
    role_descriptors text not null,
    -- The names in role_descriptors, a JSON array: what the feed carries.
    role_names text not null,
    -- The owner's role descriptors at creation or last update, a JSON object by role name.
    limited_by text not null,
    -- The names in limited_by, a JSON array: what the feed carries.
    limited_by_names text not null,
    -- What the maker attached to it, a JSON object.
    metadata text not null,

    -- Bookkeeping of every change.
    -- Sequence number of the latest change.
    seq bigint not null unique,
    -- When the key was invalidated; null while it was not. Never cleared.
    invalidation bigint
);

-- By a hash, because the username of a JSON Web Token may be longer than an entry of a tree.
create index api_key_by_owner on api_key using hash (owner_username);
create index api_key_by_name on api_key (name);

-- One row a change, written in the change's own transaction and never altered.
create table audit_event (
    -- Rises with every event.
    event_id bigint generated always as identity primary key,
    -- When it happened.
    at bigint not null,
    -- What was done, for example create_api_key.
    action text not null,
    -- Who did it: the username, which for an API key is its owner's.
    actor_username text not null,
    -- The realm that vouched for the username.
    actor_realm text not null,
    -- The API key that was presented; null when it was not one.
    actor_api_key text,
    -- The address the request came from; null when unknown.
    source_address text,
    -- The keys it was done to, a JSON array of ids.
    key_ids text not null
);
