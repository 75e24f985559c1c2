//! The calls of the proxy-wasm ABI 0.2.1 and of WASI. The host's buffers are read where they are, and a call
//! that fails is a value.

use std::ptr;

use crate::headers::HeaderPairs;
use crate::host::HostFailed;

/// A map of headers, by its number in the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    CallResponseHeaders = 6,
}

/// A buffer, by its number in the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Buffer {
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// A kind of metric, by its number in the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Metric {
    Counter = 0,
    Gauge = 1,
}

/// What every call answers when all went well.
const OK: u32 = 0;

/// The number of the stream that leads to the upstream.
const REQUEST_STREAM: u32 = 0;

/// WASI's number of the clock that only moves forward.
const MONOTONIC: u32 = 1;

/// What WASI answers when all went well.
const WASI_SUCCESS: i32 = 0;

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
unsafe extern "C" {
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        results: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        size_max: usize,
        bytes: *mut *mut u8,
        bytes_size: *mut usize,
    ) -> u32;
    fn proxy_get_current_time_nanoseconds(nanoseconds: *mut u64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, pairs: *mut *mut u8, pairs_size: *mut usize) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> u32;
    fn proxy_get_shared_data(
        name: *const u8,
        name_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        call: *mut u32,
    ) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_log(level: u32, message: *const u8, message_size: usize) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_set_shared_data(
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period_ms: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> i32;
    fn random_get(buffer: *mut u8, size: usize) -> i32;
}

// SAFETY of every call below: a pointer that goes with a length is that of a live buffer of that length,
// which the host copies before it returns; a pointer without one is that of a live place, into which the host
// writes one value and nothing else.

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn call_foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostFailed> {
    handed_over(|results, size| unsafe {
        let (name, arguments) = (name.as_bytes(), arguments);
        let (name_data, arguments_data) = (name.as_ptr(), arguments.as_ptr());
        proxy_call_foreign_function(name_data, name.len(), arguments_data, arguments.len(), results, size)
    })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn continue_request() -> Result<(), HostFailed> {
    done(unsafe { proxy_continue_stream(REQUEST_STREAM) })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn define_metric(kind: Metric, name: &str) -> Result<u32, HostFailed> {
    let mut id = 0;
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn buffer(buffer: Buffer, size: usize) -> Result<Vec<u8>, HostFailed> {
    handed_over(|data, data_size| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, size, data, data_size) })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn wall_clock_nanos() -> Result<u64, HostFailed> {
    let mut nanos = 0;
    done(unsafe { proxy_get_current_time_nanoseconds(&mut nanos) })?;
    Ok(nanos)
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn monotonic_nanos() -> Result<u64, HostFailed> {
    let mut nanos = 0;
    let errno = unsafe { clock_time_get(MONOTONIC, 1, &mut nanos) };
    if errno == WASI_SUCCESS { Ok(nanos) } else { Err(HostFailed) }
}

/// A random number. Where the host has none, the nanoseconds of its clock, which differ between VMs and
/// moments.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    let errno = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    if errno == WASI_SUCCESS { u64::from_le_bytes(bytes) } else { monotonic_nanos().unwrap_or_default() }
}

/// All headers of a map. Fails when the host has no such map, or hands over something that is none.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn header_pairs(map: Map) -> Result<HeaderPairs, HostFailed> {
    let bytes = handed_over(|pairs, size| unsafe { proxy_get_header_map_pairs(map as u32, pairs, size) })?;
    HeaderPairs::read(bytes).ok_or(HostFailed)
}

/// Removes all headers of that name, in any case. That there was none is no failure.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn remove_header(map: Map, name: &[u8]) -> Result<(), HostFailed> {
    done(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Adds a header beside all others.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostFailed> {
    done(unsafe {
        proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Lets this be the only header of that name, in any case.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostFailed> {
    done(unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn metric(id: u32) -> Result<u64, HostFailed> {
    let mut value = 0;
    done(unsafe { proxy_get_metric(id, &mut value) })?;
    Ok(value)
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn increment_metric(id: u32, by: i64) -> Result<(), HostFailed> {
    done(unsafe { proxy_increment_metric(id, by) })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn record_metric(id: u32, value: u64) -> Result<(), HostFailed> {
    done(unsafe { proxy_record_metric(id, value) })
}

/// A property. A zero byte separates the names of its path.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn property(path: &str) -> Result<Vec<u8>, HostFailed> {
    handed_over(|value, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), value, size) })
}

/// Sets a property, which other parts of the proxy find in filter state `wasm.` and this path.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_property(path: &str, value: &str) -> Result<(), HostFailed> {
    done(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// An entry of shared data, and its number for compare-and-swap.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn shared_data(name: &[u8]) -> Result<(Vec<u8>, u32), HostFailed> {
    let mut cas = 0;
    let bytes = handed_over(|value, size| unsafe {
        proxy_get_shared_data(name.as_ptr(), name.len(), value, size, &mut cas)
    })?;
    Ok((bytes, cas))
}

/// Writes an entry of shared data if it still has that number.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_shared_data(name: &[u8], bytes: &[u8], cas: u32) -> Result<(), HostFailed> {
    done(unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), bytes.as_ptr(), bytes.len(), cas) })
}

/// Sends a request without trailers. An empty body is none.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn http_call(
    cluster: &str,
    headers: &HeaderPairs,
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, HostFailed> {
    let (headers, trailers) = (headers.as_bytes(), HeaderPairs::empty_map());
    let mut call = 0;
    done(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &mut call,
        )
    })?;
    Ok(call)
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn log(level: u32, message: &str) {
    // There is nowhere to tell that this has failed.
    let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// Ends the request that is current. The host sends the response when the callback is over.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn send_local_response(
    status: u32,
    details: &str,
    body: &str,
    headers: &HeaderPairs,
    grpc_status: i32,
) -> Result<(), HostFailed> {
    let headers = headers.as_bytes();
    done(unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_effective_context(context: u32) -> Result<(), HostFailed> {
    done(unsafe { proxy_set_effective_context(context) })
}

#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_tick_period(period_ms: u32) -> Result<(), HostFailed> {
    done(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
}

/// What a call hands over; no bytes where it hands over nothing.
#[expect(unsafe_code, reason = "the host's memory becomes ours")]
fn handed_over(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostFailed> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    let status = call(&mut data, &mut size);
    let bytes = if data.is_null() {
        Vec::new()
    } else {
        // SAFETY: the host asked `proxy_on_memory_allocate` for `size` bytes, which made them as a boxed
        // slice of that length by the global allocator; it filled them, and they are ours now.
        unsafe { Vec::from_raw_parts(data, size, size) }
    };
    done(status)?;
    Ok(bytes)
}

fn done(status: u32) -> Result<(), HostFailed> {
    if status == OK { Ok(()) } else { Err(HostFailed) }
}
