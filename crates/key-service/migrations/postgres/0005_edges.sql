-- What replicas tell each other of the edges. SQLite needs none of it, because one process hears everything.

-- One row an edge: what the replicas that it asked have heard, together.
create table edge (
    -- What it calls itself.
    name text collate "C" not null primary key,
    -- Of which feed its promise is.
    epoch text not null,
    -- It has applied every change up to here; 0 when it has promised nothing.
    acknowledged bigint not null,
    -- When it last asked, by the clock of the replica that it asked.
    seen bigint not null
);

create index edge_by_sight on edge (seen);
