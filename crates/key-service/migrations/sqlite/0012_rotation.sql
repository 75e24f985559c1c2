-- A key may have a second secret for a while: the one it had before it was rotated.

-- When the key was last given another secret; null when it never was.
alter table api_key add column rotation integer;
-- SHA-256 of salt and previous secret; null when there is none. The salt is that of the current secret.
alter table api_key add column previous_digest blob check (length(previous_digest) = 32);
-- The first moment at which the previous secret works no more; null when there is none.
alter table api_key add column previous_until integer check ((previous_until is null) = (previous_digest is null));
