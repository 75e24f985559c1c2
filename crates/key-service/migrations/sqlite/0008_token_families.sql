-- What ends tokens besides their time: a family whose refresh token was used twice, and passwords that were changed.

-- The token_id of the first grant that this one descends from; null for the first itself. Never changed.
alter table token add column family integer;
-- SHA-256 of what was kept of the subject's password when the tokens were made; null when no password proves the subject. Never
-- changed.
alter table token add column subject_stamp blob check (length(subject_stamp) = 32);
-- The same of the client, where the client runs as the subject; null otherwise. Never changed.
alter table token add column runner_stamp blob check (length(runner_stamp) = 32);

create index token_by_family on token (family);
create index token_by_client on token (client_username, client_realm);
