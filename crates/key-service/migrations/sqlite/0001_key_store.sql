-- The keys, the position of the change feed, and the trail of every change.
-- Times are milliseconds since 1970-01-01T00:00:00Z. JSON is stored as text, compact.

-- One row: where the change feed stands.
create table feed_state (
    -- Always 1, so that there is one row.
    singleton integer primary key check (singleton = 1),
    -- Which feed this is; drawn at random when the store is made and never changed by the service.
    epoch text not null,
    -- Sequence number of the latest change, taken inside the transaction that makes it. Making the store is number 1, so
    -- that a follower of an empty store has a position to wait at.
    seq integer not null check (seq >= 1),
    -- Highest sequence number of a row that was removed for good. A follower that has read less may have missed it.
    purged_through integer not null check (purged_through >= 0 and purged_through <= seq),
    -- How many keys are not invalidated; kept with every change, because counting a million rows takes too long.
    keys_live integer not null check (keys_live >= 0)
) strict;

-- One row a key, dead or alive.
create table api_key (
    -- Never changed.
    -- The public half of the credential.
    id text not null primary key,
    -- When the key was made.
    creation integer not null,

    -- The secret, as far as it is kept. Changed when a key is given a new one.
    -- Sixteen random bytes.
    salt blob not null check (length(salt) = 16),
    -- SHA-256 of salt and secret.
    digest blob not null check (length(digest) = 32),

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
    name text not null,
    -- When the key ends; null is never.
    expiration integer,
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
    seq integer not null unique,
    -- When the key was invalidated; null while it was not. Never cleared.
    invalidation integer
) strict;

create index api_key_by_owner on api_key (owner_realm, owner_username);
create index api_key_by_name on api_key (name);

-- One row a change, written in the change's own transaction and never altered.
create table audit_event (
    -- Rises with every event.
    event_id integer primary key autoincrement,
    -- When it happened.
    at integer not null,
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
) strict;
