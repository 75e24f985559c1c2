-- A key may have a second secret for a while: the one it had before it was rotated.

alter table api_key
    -- When the key was last given another secret; null when it never was.
    add column rotation bigint,
    -- SHA-256 of salt and previous secret; null when there is none. The salt is that of the current secret.
    add column previous_digest bytea check (octet_length(previous_digest) = 32),
    -- The first moment at which the previous secret works no more; null when there is none.
    add column previous_until bigint,
    add check ((previous_until is null) = (previous_digest is null));
