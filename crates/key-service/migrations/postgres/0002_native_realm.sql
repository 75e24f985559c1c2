-- Users, roles and application privileges that are managed over the REST interface.
-- JSON is stored as text, compact.

-- One row a user of the native realm.
create table native_user (
    -- The name within the realm; never changed.
    username text collate "C" not null primary key,
    -- What is kept of the password: an Argon2id hash in the PHC string format.
    password_hash text not null,
    -- Names of roles, a JSON array. A role that does not exist grants nothing.
    roles text not null,
    -- The full name; null when there is none.
    full_name text,
    -- The email address; null when there is none.
    email text,
    -- Whatever was attached to the user, a JSON object.
    metadata text not null,
    -- Whether the user is let in.
    enabled boolean not null
);

-- One row a user who belongs to the service itself and of whom something was changed.
create table reserved_user (
    -- The name, such as elastic.
    username text not null primary key,
    -- What is kept of the password; null while it is the one that the service was started with.
    password_hash text,
    -- Whether the user is let in.
    enabled boolean not null
);

-- One row a role.
create table native_role (
    -- The name; never changed.
    name text collate "C" not null primary key,
    -- What the role may do, a JSON object as Elasticsearch shows it.
    descriptor text not null
);

-- One row a privilege that an application has registered.
create table application_privilege (
    -- The application's name; never changed.
    application text collate "C" not null,
    -- The privilege's name within the application; never changed.
    name text collate "C" not null,
    -- Patterns over the application's actions, a JSON array.
    actions text not null,
    -- Whatever was attached to the privilege, a JSON object.
    metadata text not null,
    primary key (application, name)
);

-- The names of the users, roles or privileges that something was done to, a JSON array. Empty for what is done to keys.
alter table audit_event add column subjects text not null default '[]';
-- On whose behalf the actor acted, when that was somebody else (run-as).
alter table audit_event add column actor_run_as text;
