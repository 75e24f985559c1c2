-- Searches of many keys: each order that people list keys in has an index, and so has what is asked of most of them.

-- When keys end that were not invalidated: how many of them work is counted without a look at each row. No index begins with
-- invalidation and holds all keys: SQLite would take it for whatever asks for keys that were not invalidated.
drop index api_key_by_expiration;
create index api_key_by_state on api_key (expiration, invalidation) where invalidation is null;

-- Whichever of them ends first, invalidated or not.
create index api_key_by_expiration on api_key (expiration) where expiration is not null;

-- By owner, and the keys of one owner in the order in which they were added.
create index api_key_by_username on api_key (owner_username);

-- The rowid of the key: many keys were last used in the same hour, and these come in the order in which they were added.
alter table key_usage add column key_position integer;
update key_usage set key_position = (select rowid from api_key where id = key_id);
create trigger key_usage_position after insert on key_usage when new.key_position is null begin
    update key_usage set key_position = (select rowid from api_key where id = new.key_id) where key_id = new.key_id;
end;
create index key_usage_by_last_use on key_usage (last_used, key_position) where last_used is not null;
