-- OAuth2 tokens: pairs of an access token and a refresh token, and when dead ones were last removed.

-- One row a grant: an access token, mostly with a refresh token. A row is removed a day after it was made.
create table token (
    -- Never changed.
    -- Rises with every grant.
    token_id bigint generated always as identity primary key,
    -- When the tokens were made.
    creation bigint not null,
    -- SHA-256 of the access token, with a label of its own.
    access_digest bytea not null unique check (length(access_digest) = 32),
    -- When the access token ends.
    access_expiration bigint not null,
    -- SHA-256 of the refresh token, with another label; null when there is none.
    refresh_digest bytea unique check (length(refresh_digest) = 32),

    -- On whose behalf the tokens act, as it was when they were made. Never changed.
    -- The name within the realm; of an API key, its owner's.
    subject_username text not null,
    -- The realm's name; of an API key, _es_api_key.
    subject_realm text not null,
    -- The realm's type; null when it was not known.
    subject_realm_type text,
    -- The full name; null when there was none.
    subject_full_name text,
    -- The email address; null when there was none.
    subject_email text,
    -- What the realm knew of the user besides, a JSON object.
    subject_metadata text not null,
    -- The names of the user's roles, a JSON array.
    subject_roles text not null,
    -- The API key that the tokens act as; null when they act as a user.
    subject_api_key text,

    -- Who asked for the tokens, and alone may refresh them. Never changed.
    client_username text not null,
    client_realm text not null,
    -- Null when it was not an API key that asked.
    client_api_key text,

    -- Changed by use.
    -- When the access token was invalidated; null while it was not. Never cleared.
    access_invalidation bigint,
    -- When the refresh token was invalidated; null while it was not. Never cleared.
    refresh_invalidation bigint,
    -- When the refresh token was used; null while it was not. Never cleared.
    refreshed_at bigint,
    -- Random bytes that make, together with the refresh token itself, the tokens it was exchanged for. Alone they are worth
    -- nothing.
    successor_seed bytea check (length(successor_seed) = 32)
);

create index token_by_creation on token (creation);
-- By a hash, because the username of a JSON Web Token may be longer than an entry of a tree.
create index token_by_subject on token using hash (subject_username);
create index token_by_subject_realm on token (subject_realm);

-- One row.
create table token_state (
    -- Always 1, so that there is one row.
    singleton bigint primary key check (singleton = 1),
    -- Whether a token was ever made.
    used boolean not null,
    -- When dead rows were last looked for; null when they never were.
    latest_removal bigint
);

insert into token_state (singleton, used, latest_removal) values (1, false, null);

-- What was done to tokens, a JSON object; null when the event is not about tokens.
alter table audit_event add column tokens text;
