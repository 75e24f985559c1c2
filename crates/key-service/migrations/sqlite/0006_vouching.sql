-- What of a key somebody vouches for, who was allowed to manage security or to have the role himself.

-- Whether whoever wrote role_descriptors was allowed to manage security.
alter table api_key add column roles_vouched integer check (roles_vouched in (0, 1));
-- Whether whoever wrote metadata was.
alter table api_key add column metadata_vouched integer check (metadata_vouched in (0, 1));
-- Those of role_names that are vouched for, a JSON array: what the feed carries. All when roles_vouched, else those that the owner had
-- with the same content.
alter table api_key add column vouched_role_names text;
-- Sequence number of the change with which this was decided. It counts as long as it is seq: a version that knows nothing of these columns
-- raises seq alone. Null in a key from before.
alter table api_key add column vouched_seq integer;

-- The keys for which it is to be decided when the service starts.
create index api_key_undecided on api_key (id)
    where invalidation is null and (vouched_seq is null or vouched_seq <> seq);
