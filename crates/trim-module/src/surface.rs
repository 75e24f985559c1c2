//! What the filter and the host have to say to each other. A new call or callback is added here, and to the
//! lists that a test compares with these: `capability_restriction_config` in `envoy/local.yaml` and in
//! `docs/configuration.md`.

/// What the host looks for in the module. Where there are several names, the host takes any of them.
///
/// `proxy_on_request_body` and `proxy_on_request_trailers` look idle and are not: without them a request that
/// waits for the first key table would go on to the upstream when its body arrives (Envoy,
/// `allow_on_headers_stop_iteration`). `proxy_on_delete` is where a request is forgotten.
pub const EXPORTS: &[&[&str]] = &[
    &["memory"],
    // Filters of the SDK call it `malloc` on one target and by its name in the ABI on others.
    &["proxy_on_memory_allocate", "malloc"],
    &["_initialize"],
    &["proxy_abi_version_0_2_1"],
    &["proxy_on_context_create"],
    &["proxy_on_vm_start"],
    &["proxy_on_configure"],
    &["proxy_on_tick"],
    &["proxy_on_delete"],
    &["proxy_on_request_headers"],
    &["proxy_on_request_body"],
    &["proxy_on_request_trailers"],
    &["proxy_on_http_call_response"],
];

/// The calls of the host that the filter may make: those that it makes, and a few that it is about to.
pub const IMPORTS: &[&str] = &[
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    "random_get",
];

/// The names that a host must allow which restricts the filter to what it needs, in alphabetical order.
#[must_use]
pub fn capabilities() -> Vec<&'static str> {
    let callbacks = EXPORTS.iter().filter_map(|names| names.first().copied());
    let restricted =
        callbacks.filter(|name| name.starts_with("proxy_on_") && *name != "proxy_on_memory_allocate");
    let mut names: Vec<&str> = restricted.chain(IMPORTS.iter().copied()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_in_order() {
        assert!(IMPORTS.is_sorted_by(|left, right| left < right), "{IMPORTS:?}");
        let names = capabilities();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }
}
