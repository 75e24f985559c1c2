-- The edges that follow the feed, and until when each may admit by what it was told. Also what ended a key, as far as the feed goes.

-- One row an instance: one table of one process.
create table edge_instance (
    -- What the edge calls itself.
    name text not null,
    -- Which of those that call themselves so: 32 hexadecimal digits that it has drawn, or of an older filter whose credential it uses.
    instance text not null,
    -- The API key that it asks with; null for a user.
    key_id text,
    -- The user, or the owner of the key.
    owner_username text not null,
    -- The realm of that user.
    owner_realm text not null,
    -- For how long after an answer it may admit, in milliseconds.
    refuse_after integer not null,
    -- Of which feed its promise is.
    epoch text not null,
    -- It has applied every change up to here; 0 when it has promised nothing.
    acknowledged integer not null,
    -- When it last asked, by the clock of the replica that it asked. Not written at each request.
    seen integer not null,
    -- It may admit until then at most. Written ahead of the time, so that it need not be written at each request.
    may_admit_until integer not null,
    -- Whether it said goodbye or was forgotten since: then it admits nothing.
    has_left integer not null check (has_left in (0, 1)),
    primary key (name, instance)
) strict;

-- One row: what cannot be known.
create table edge_knowledge (
    -- Always 1, so that there is one row.
    singleton integer primary key check (singleton = 1),
    -- Edges that asked before this moment, and not since, are not in the list; 0 when there can be none.
    begun integer not null
) strict;

insert into edge_knowledge (singleton, begun)
    select 1, case when exists (select 1 from feed_state where seq > 1)
        then cast(strftime('%s', 'now') as integer) * 1000 else 0 end;

-- The sequence number of the last key that was invalidated together with this one; null while it was not, and of keys that were
-- invalidated before there was this column.
alter table api_key add column ended_through integer;
