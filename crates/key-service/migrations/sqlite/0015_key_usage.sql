-- How often keys are used, as edges and the service itself count it. A use is no change of the key: no edge hears of it.

create table key_usage (
    key_id text not null primary key references api_key (id) on delete cascade,
    -- Since when uses are counted, of a key that is older than the counting; null is since the key was made.
    counted_since integer,
    -- When it was last used, rounded down; null when it never was.
    last_used integer,
    -- How many requests have proven the key.
    uses integer not null check (uses >= 0),
    -- The edge that told of the last use; null when it was at the key service.
    last_used_edge text,
    -- How many requests named the key and had a wrong secret.
    wrong_secrets integer not null check (wrong_secrets >= 0),
    -- When that last happened, rounded down; null when it never did.
    last_wrong_secret integer
) strict, without rowid;

insert into key_usage (key_id, counted_since, uses, wrong_secrets)
    select id, cast((julianday('now') - 2440587.5) * 86400000 as integer), 0, 0 from api_key;
