-- Removing keys for good, once they have been dead for the retention period.

-- Expired keys that were removed, for as long as an edge may still have to be told. An invalidated key needs no such row: the
-- edges were told when it was invalidated.
create table removed_key (
    -- Sequence number of the removal, from the same counter as those of the keys.
    seq bigint not null primary key,
    -- Which key it was.
    id text not null,
    -- When it was removed.
    removed bigint not null
);

-- At most one row: when dead keys were last looked for. Kept here so that several replicas, and a service that is often
-- started anew, together keep the interval.
create table removal_run (
    -- Always 1, so that there is at most one row.
    singleton bigint primary key check (singleton = 1),
    -- When it began.
    begun bigint not null
);

create index api_key_by_invalidation on api_key (invalidation) where invalidation is not null;
create index api_key_by_expiration on api_key (expiration) where expiration is not null and invalidation is null;
create index removed_key_by_removal on removed_key (removed);
