-- Keys that are one opaque text are found by a keyed digest of the text.

-- No row, or one from the first such key on: the key of that digest, which never changes.
create table opaque_key_pepper (
    -- Always 1, so that there is one row at most.
    singleton integer not null primary key check (singleton = 1),
    -- Random bytes.
    pepper blob not null check (length(pepper) = 32)
) strict;
