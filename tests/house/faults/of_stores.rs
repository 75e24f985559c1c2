//! Faults of the key service and of its stores.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        fault: "The key service is killed while keys are changed",
        promise: "Nothing that it acknowledged is lost, and no key that was ended comes back.",
        tests: &[
            "api::process::crash::nothing_acknowledged_is_lost_when_the_service_is_killed",
            "api::process::database_faults::no_fault_of_the_database_loses_a_change_or_is_told_as_a_bad_key",
        ],
    },
    Fault {
        fault: "The key service starts again",
        promise: "It remembers each edge and until when that may admit.",
        tests: &[
            "edge::acknowledgement::a_service_that_was_restarted_remembers_an_edge_and_says_that_it_may_admit_until_it_is_heard_of_again",
        ],
    },
    Fault {
        fault: "The store cannot be used when the service starts: no database, of another version, not writable, no room",
        promise: "The service does not start, says why in one line, and leaves the store as it is.",
        tests: &[
            "api::process::faults::a_file_that_is_no_database_is_refused_in_one_line",
            "api::process::faults::a_store_of_another_version_is_refused_in_one_line",
            "api::process::faults::a_file_that_may_not_be_written_is_refused_in_one_line",
            "api::process::faults::a_directory_that_may_not_be_written_is_refused_in_one_line",
            "api::process::faults::a_full_disk_at_the_start_is_told_in_one_line",
            "api::process::faults::a_database_that_is_out_of_reach_is_refused_in_one_line_without_the_password",
        ],
    },
    Fault {
        fault: "SQLite: the disk is full",
        promise: "Changes get 503, reads go on, `/healthz` says 503. Nothing that was acknowledged is lost, and changes are taken again as soon as there is room.",
        tests: &["api::process::faults::a_full_disk_refuses_changes_loses_nothing_and_heals_by_itself"],
    },
    Fault {
        fault: "SQLite: the file system becomes read-only, or the disk does not keep what it took, while the service runs",
        promise: "Changes get 503, reads go on, `/healthz` says 503. Nothing that was acknowledged is lost, nothing that was refused appears, and changes are taken again when the disk does its work.",
        tests: &[
            "api::process::failing_disk::a_disk_that_does_not_write_or_does_not_keep_refuses_changes_loses_nothing_and_heals_by_itself",
        ],
    },
    Fault {
        fault: "SQLite: another process holds the lock",
        promise: "Changes get 503, reads go on; both go on when the lock is free.",
        tests: &[
            "api::process::faults::while_another_process_holds_the_lock_changes_are_refused_and_reads_go_on",
        ],
    },
    Fault {
        fault: "SQLite: a page of the keys, or of an index of them, is damaged",
        promise: "Whoever needs that page gets 503 and never 401; no ended key is admitted; all others are served, also in the same moment. `/healthz` and the log say that the store is damaged.",
        tests: &[
            "api::process::damage::around_a_damaged_page_everything_is_served_and_nothing_is_told_wrongly",
        ],
    },
    Fault {
        fault: "PostgreSQL is killed and starts again, or hangs",
        promise: "Requests get 503 and never 401, `/healthz` says 503, edges go on with their tables. The log has a line about the beginning and one about the end, and the service goes on by itself.",
        tests: &[
            "api::process::database_faults::no_fault_of_the_database_loses_a_change_or_is_told_as_a_bad_key",
            "edge::replicas::an_outage_of_the_database_is_said_and_ends_by_itself",
        ],
    },
    Fault {
        fault: "PostgreSQL: a session idles in a transaction that holds the lock of changes",
        promise: "Changes get 503, reads go on; `/healthz` says 503 until the session ends.",
        tests: &[
            "api::process::database_faults::no_fault_of_the_database_loses_a_change_or_is_told_as_a_bad_key",
        ],
    },
    Fault {
        fault: "PostgreSQL: the synchronous standby is away",
        promise: "No change is acknowledged that it does not have, however long that takes; reads go on. Changes are taken again when it is back.",
        tests: &[
            "api::process::database_faults::a_failover_loses_nothing_and_the_old_primary_is_not_believed",
        ],
    },
    Fault {
        fault: "PostgreSQL: the primary is killed and its standby promoted; the old primary comes back",
        promise: "The service goes on with the promoted server by itself, also when it starts anew, and never with the old one. Nothing that was acknowledged is lost.",
        tests: &[
            "api::process::database_faults::a_failover_loses_nothing_and_the_old_primary_is_not_believed",
        ],
    },
    Fault {
        fault: "PostgreSQL: the promoted standby lacked changes, because nothing waited for it",
        promise: "The feed begins another epoch before a further change is acknowledged, so every edge loads all keys again.",
        tests: &["api::process::database_faults::after_a_failover_that_lost_changes_every_edge_loads_anew"],
    },
    Fault {
        fault: "PostgreSQL: connections are cut in the middle of a change",
        promise: "The change is made or not, and never half. What was acknowledged is there.",
        tests: &[
            "api::process::database_faults::no_fault_of_the_database_loses_a_change_or_is_told_as_a_bad_key",
            "latchkey_key_service::store::tests::replicas::connections_that_are_cut_are_made_anew_and_nothing_is_half_done",
        ],
    },
    Fault {
        fault: "PostgreSQL: a replica of the service falls silent in the middle of a change",
        promise: "It loses the lock, and the others go on.",
        tests: &[
            "latchkey_key_service::store::tests::replicas::a_replica_that_falls_silent_within_a_change_loses_its_turn",
        ],
    },
    Fault {
        fault: "PostgreSQL: announcements of changes are lost",
        promise: "Each replica finds the changes of the others within a second.",
        tests: &["latchkey_key_service::store::tests::replicas::a_change_that_nobody_announced_is_found"],
    },
    Fault {
        fault: "Replicas are killed, connections cut and PostgreSQL killed, while keys are changed and the feed is followed",
        promise: "No change is lost or comes back; every follower and the edge hold what the store holds.",
        tests: &["edge::replicas::no_change_is_lost_whatever_befalls_replicas_and_database"],
    },
];
