//! Calls of the host on the path of every request, made by hand: the SDK copies each header twice and each path of a property, and panics on an
//! answer it does not expect. Here the host's buffer is read where it is, and a call that fails is a value.

use proxy_wasm::types::{MapType, Status};

use crate::headers::HeaderPairs;

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(nanoseconds: *mut u64) -> Status;
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_remove_header_map_value(map: MapType, name_data: *const u8, name_size: usize) -> Status;
    fn proxy_replace_header_map_value(
        map: MapType,
        name_data: *const u8,
        name_size: usize,
        value_data: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_set_property(
        path_data: *const u8,
        path_size: usize,
        value_data: *const u8,
        value_size: usize,
    ) -> Status;
}

/// The host would not do what it was asked for.
pub(super) struct HostFailed;

/// Nanoseconds since 1970 by the host's clock; 0 when it has none.
#[expect(unsafe_code, reason = "calls the host, which writes a number")]
pub(super) fn nanos_now() -> u64 {
    let mut nanos = 0;
    // SAFETY: the place lives until the call is over, and the host writes nothing else.
    let _ = unsafe { proxy_get_current_time_nanoseconds(&mut nanos) };
    nanos
}

/// All headers of a map.
///
/// # Errors
///
/// When the host has no such map, or hands over something that is none.
#[expect(unsafe_code, reason = "calls the host, which hands over memory")]
pub(super) fn header_pairs(map: MapType) -> Result<HeaderPairs, HostFailed> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both places live until the call is over, and the host writes nothing else.
    let status = unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) };
    done(status)?;
    let bytes = if data.is_null() {
        Vec::new()
    } else {
        // SAFETY: the host asked `proxy_on_memory_allocate` for `size` bytes, which made them as a boxed slice of that length by the global
        // allocator; it filled them, and they are ours now.
        unsafe { Vec::from_raw_parts(data, size, size) }
    };
    HeaderPairs::read(bytes).ok_or(HostFailed)
}

/// Removes all headers of that name, in any case. That there was none is no failure.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn remove_header(map: MapType, name: &[u8]) -> Result<(), HostFailed> {
    // SAFETY: the pointer is that of a live buffer and goes with its length; the host copies it before it returns.
    done(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Lets this be the only header of that name, in any case.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_header(map: MapType, name: &str, value: &str) -> Result<(), HostFailed> {
    // SAFETY: every pointer is that of a live buffer and goes with its length; the host copies all of them before it returns.
    done(unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Tells the rest of the proxy, in filter state `wasm.` and this name.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_filter_state(name: &str, value: &str) -> Result<(), HostFailed> {
    // SAFETY: every pointer is that of a live buffer and goes with its length; the host copies all of them before it returns.
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

fn done(status: Status) -> Result<(), HostFailed> {
    if status == Status::Ok { Ok(()) } else { Err(HostFailed) }
}
