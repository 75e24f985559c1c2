-- Replicas whose clocks differ write ends of different clocks. One that finds a later end than its own keeps it, and whoever wrote that
-- could not see that another replica answers the edge too.

-- The latest may_admit_until that the writer had read before it wrote. A write that finds a later one goes beyond all, so that everybody
-- reads it as news. Null in a row of an older version.
alter table edge_instance add column told bigint;
