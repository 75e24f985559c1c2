-- Changes of what applications have registered, as part of the change feed.

-- One row an application that has registered privileges, or had some that an edge may still know of.
create table application_change (
    -- The application's name.
    application text collate "C" not null primary key,
    -- Sequence number of its latest change, from the same counter as those of the keys.
    seq bigint not null unique
);

-- Waits for the changes of replicas that are under way.
update feed_state set seq = seq;
-- What was registered before has its first number now, so that an edge that loads gets it.
update feed_state set seq = seq + (select count(distinct application) from application_privilege);
insert into application_change (application, seq)
    select application, (select seq from feed_state) + 1 - row_number() over (order by application desc)
    from (select distinct application from application_privilege) as registered;
