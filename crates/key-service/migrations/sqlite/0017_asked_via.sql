-- Through which part of the service itself a change was asked for, such as console; null when a client asked directly.
alter table audit_event add column actor_via text;
