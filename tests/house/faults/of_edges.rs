//! Faults of edges, and between an edge and its key service.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        fault: "The key service refuses or breaks the connection, hangs, sends byte by byte, cuts its answer short, sends too much, or speaks no HTTP",
        promise: "The table serves until `staleness.refuse_after`, and not a moment longer: good keys pass and revoked ones do not, then everybody gets 503. The log says why, and the next good answer is followed from where the edge was.",
        tests: &["edge::feed_faults::no_bad_answer_harms_the_table"],
    },
    Fault {
        fault: "It answers 204, a redirect, 400, 401, 403, 404, 429, 500 or 503",
        promise: "The same. A redirect is not followed.",
        tests: &["edge::feed_faults::no_bad_answer_harms_the_table"],
    },
    Fault {
        fault: "It answers with no page of the feed (garbage, half a page, another type), another epoch without an end, or a page that goes back in time",
        promise: "The same.",
        tests: &["edge::feed_faults::no_bad_answer_harms_the_table"],
    },
    Fault {
        fault: "Any of these, when the edge has no table yet",
        promise: "Nobody is admitted: 503. With the next good answer the edge begins.",
        tests: &["edge::feed_faults::no_bad_answer_makes_a_first_table"],
    },
    Fault {
        fault: "The name of the key service: the name server fails, says nothing, says garbage, or says that there is no such name; the name moves",
        promise: "The edge goes on with its table, hears of changes as soon as the name is there again, and follows the service that has moved.",
        tests: &["edge::dns::an_edge_outlives_a_name_that_fails_and_follows_one_that_moves"],
    },
    Fault {
        fault: "Envoy's cluster of the key service gets another address, is removed, and comes back, while requests run",
        promise: "No good key is refused and no revoked one admitted; the edge hears of changes as soon as there is a cluster.",
        tests: &["edge::clusters::the_cluster_of_the_key_service_may_move_and_vanish_while_requests_pass"],
    },
    Fault {
        fault: "The feed has a row that makes no sense to the edge",
        promise: "That row is set aside alone, and keeps no change behind it away.",
        tests: &["edge::rows::a_row_that_makes_no_sense_keeps_no_change_behind_it_away"],
    },
    Fault {
        fault: "The key service is away",
        promise: "The edge goes on with its table, and finds the service again by itself.",
        tests: &["edge::following::the_edge_goes_on_without_its_key_service_and_finds_it_again"],
    },
    Fault {
        fault: "It is away for longer than a table may serve",
        promise: "Everybody gets 503 until the table is fresh again.",
        tests: &["edge::staleness::a_table_that_is_too_old_refuses_everybody_until_it_is_fresh"],
    },
    Fault {
        fault: "It is away when the proxy starts",
        promise: "Requests wait for as long as they may, then get 503; with a table file they are decided by it.",
        tests: &[
            "edge::start_up::a_request_that_waited_too_long_is_told_to_come_back",
            "edge::table_file::a_gateway_that_starts_while_the_key_service_is_away_admits_by_its_table_file",
        ],
    },
    Fault {
        fault: "The table file cannot be used",
        promise: "It admits nobody, and the log says so.",
        tests: &["edge::table_file::a_table_file_that_cannot_be_used_admits_nobody_and_is_told_in_the_log"],
    },
    Fault {
        fault: "The feed begins another epoch, or has forgotten removals",
        promise: "The edge loads all keys again, and what was revoked meanwhile is refused.",
        tests: &[
            "edge::following::another_epoch_replaces_every_key",
            "edge::following::a_reset_loads_again_and_revokes_what_was_missed",
        ],
    },
    Fault {
        fault: "Another service answers in the place of the key service, with a certificate of the same authority",
        promise: "Nothing that it says is believed.",
        tests: &["edge::tls::the_edge_believes_nobody_else_of_the_same_authority"],
    },
    Fault {
        fault: "The certificate of the key service has expired, or is of another authority",
        promise: "Nothing that it says is believed. The edge goes on with its table, and follows again when the certificate is good.",
        tests: &[
            "edge::tls::an_edge_believes_no_certificate_that_has_expired_or_is_of_others_and_goes_on_with_its_table",
        ],
    },
    Fault {
        fault: "The wall clock is set back or forward",
        promise: "No revocation is kept away, no table serves for longer, and nobody is admitted before the service has answered.",
        tests: &[
            "edge::clock::a_clock_that_is_set_keeps_no_revocation_away_and_refuses_nobody",
            "edge::clock::a_clock_set_back_lets_no_table_serve_for_longer",
            "edge::clock::a_clock_set_back_before_the_service_is_reachable_does_not_stop_the_edge",
            "edge::clock::a_clock_that_is_far_ahead_admits_nobody_before_the_service_has_answered",
        ],
    },
    Fault {
        fault: "An Envoy hangs",
        promise: "An invalidation that waits for edges says that it is not complete and names the edge.",
        tests: &[
            "edge::acknowledgement::an_edge_that_hangs_is_named_and_a_retry_tells_when_it_has_applied_the_change",
        ],
    },
    Fault {
        fault: "The configuration of Envoy changes while requests run",
        promise: "Requests pass as before. A configuration with mistakes is refused, and the one before stays.",
        tests: &[
            "edge::updates::requests_pass_while_the_configuration_changes",
            "edge::updates::a_bad_configuration_is_refused_and_the_old_one_stays",
        ],
    },
    Fault {
        fault: "A listener is replaced, drained or stopped while connections are open",
        promise: "Each connection hears of revocations for as long as it is open, and no good key is refused on it.",
        tests: &["edge::draining::a_connection_that_drains_hears_of_revocations_for_as_long_as_it_is_open"],
    },
    Fault {
        fault: "One Envoy takes over from another (hot restart) while requests run",
        promise: "No good key is refused and no revoked one admitted; both hear of revocations, as two instances of the edge. With a table file the new one has it when the old one has ended.",
        tests: &[
            "edge::hot_restart::a_hot_restart_refuses_no_good_key_and_both_processes_hear_of_revocations",
        ],
    },
    Fault {
        fault: "A VM of the Wasm filter traps: a request or a page of the feed needs more memory than it may have",
        promise: "That request gets 503, and so do those to that worker until Envoy has started another VM. The table survives, and if the VM followed the feed, another one does.",
        tests: &["edge::vm_faults::a_vm_that_traps_lets_nobody_in_and_the_next_one_goes_on_with_the_table"],
    },
    Fault {
        fault: "The native module panics",
        promise: "The request is refused; Envoy lives, and no secret is told.",
        tests: &["edge::native::a_panic_in_any_hook_refuses_and_neither_ends_envoy_nor_tells_a_secret"],
    },
];
