-- Searches of many keys: each order that people list keys in has an index, and so has what is asked of most of them.

-- When keys end that were not invalidated: how many of them work is counted without a look at each row. No index begins with
-- invalidation and holds all keys: SQLite would take it for whatever asks for keys that were not invalidated.
drop index api_key_by_expiration;
create index api_key_by_state on api_key (expiration, invalidation) where invalidation is null;

-- Whichever of them ends first, invalidated or not.
create index api_key_by_expiration on api_key (expiration, rowid) where expiration is not null;

-- Keys of one name in the order in which they were added.
drop index api_key_by_name;
create index api_key_by_name on api_key (name, rowid);

-- The rowid of the key: many keys were last used in the same hour, and these come in the order in which they were added.
alter table key_usage add column key_position bigint;
update key_usage set key_position = (select rowid from api_key where id = key_id);
-- A replica of the version before adds rows too, and knows nothing of the column.
create function key_usage_position() returns trigger language plpgsql as $$
begin
    update key_usage set key_position = (select rowid from api_key where id = new.key_id) where key_id = new.key_id;
    return null;
end
$$;
create trigger key_usage_position after insert on key_usage
    for each row when (new.key_position is null) execute function key_usage_position();
create index key_usage_by_last_use on key_usage (last_used, key_position) where last_used is not null;
