-- The clock of whoever wrote until when an instance may admit may be wrong, or be set. How long it could admit from then on is no
-- matter of clocks.

-- When may_admit_until was noted, by the same clock: the instance could admit for the time between the two. Null in a row of an older
-- version, where it is no earlier than seen.
alter table edge_instance add column noted bigint;
