-- The edges that follow the feed, and until when each may admit by what it was told. Also what ended a key, as far as the feed goes.

-- One row an instance: one table of one process.
create table edge_instance (
    -- What the edge calls itself.
    name text collate "C" not null,
    -- Which of those that call themselves so: 32 hexadecimal digits that it has drawn, or of an older filter whose credential it uses.
    instance text collate "C" not null,
    -- The API key that it asks with; null for a user.
    key_id text,
    -- The user, or the owner of the key.
    owner_username text not null,
    -- The realm of that user.
    owner_realm text not null,
    -- For how long after an answer it may admit, in milliseconds.
    refuse_after bigint not null,
    -- Of which feed its promise is.
    epoch text not null,
    -- It has applied every change up to here; 0 when it has promised nothing.
    acknowledged bigint not null,
    -- When it last asked, by the clock of the replica that it asked. Not written at each request.
    seen bigint not null,
    -- It may admit until then at most. Written ahead of the time, so that it need not be written at each request.
    may_admit_until bigint not null,
    -- Whether it said goodbye or was forgotten since: then it admits nothing.
    has_left boolean not null,
    primary key (name, instance)
);

-- One row: what cannot be known.
create table edge_knowledge (
    -- Always 1, so that there is one row.
    singleton bigint primary key check (singleton = 1),
    -- Edges that asked before this moment, and not since, are not in the list; 0 when there can be none.
    begun bigint not null
);

insert into edge_knowledge (singleton, begun)
    select 1, case when exists (select 1 from feed_state where seq > 1)
        then (extract(epoch from now()) * 1000)::bigint else 0 end;

-- The sequence number of the last key that was invalidated together with this one; null while it was not, and of keys that were
-- invalidated before there was this column.
alter table api_key add column ended_through bigint;

create index edge_instance_by_sight on edge_instance (seen);

-- What replicas told each other so far did not say how long an edge may admit. Edges that still ask are heard of again in seconds; of
-- the others edge_knowledge says that they are not known.
drop table edge;
