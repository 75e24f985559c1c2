//! Calls of the host on the path of every request, made by hand: the SDK copies each header twice and each path of a property, and panics on an
//! answer it does not expect. Here the host's buffer is read where it is, and a call that fails is a value.

use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use proxy_wasm::types::{MapType, Status};

use crate::clock::{ClockFailed, HostClocks};
use crate::headers::HeaderPairs;
use crate::table::{Entry, Version};

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
unsafe extern "C" {
    fn proxy_call_foreign_function(
        name_data: *const u8,
        name_size: usize,
        arguments_data: *const u8,
        arguments_size: usize,
        results_data: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
    fn proxy_get_current_time_nanoseconds(nanoseconds: *mut u64) -> Status;
    fn proxy_get_shared_data(
        name_data: *const u8,
        name_size: usize,
        value_data: *mut *mut u8,
        value_size: *mut usize,
        cas: *mut u32,
    ) -> Status;
    fn proxy_set_shared_data(
        name_data: *const u8,
        name_size: usize,
        value_data: *const u8,
        value_size: usize,
        cas: u32,
    ) -> Status;
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

#[link(wasm_import_module = "wasi_snapshot_preview1")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> i32;
    fn random_get(buffer: *mut u8, size: usize) -> i32;
}

/// The host would not do what it was asked for.
pub(super) struct HostFailed;

/// WASI's number of the clock that only moves forward.
const MONOTONIC: u32 = 1;

/// What WASI answers when all went well.
const WASI_SUCCESS: i32 = 0;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The clocks of the host.
#[derive(Debug)]
pub(super) struct EnvoyClocks;

impl HostClocks for EnvoyClocks {
    #[expect(unsafe_code, reason = "calls the host, which writes a number")]
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        let mut nanos = 0;
        // SAFETY: the place lives until the call is over, and the host writes nothing else.
        let status = unsafe { proxy_get_current_time_nanoseconds(&mut nanos) };
        done(status).map_err(|HostFailed| ClockFailed)?;
        Ok(UnixMillis(nanos / NANOS_PER_MILLI))
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        Ok(MonotonicMillis(monotonic_nanos()? / NANOS_PER_MILLI))
    }
}

#[expect(unsafe_code, reason = "calls the host, which writes a number")]
fn monotonic_nanos() -> Result<u64, ClockFailed> {
    let mut nanos = 0;
    // SAFETY: the place lives until the call is over, and the host writes nothing else.
    let errno = unsafe { clock_time_get(MONOTONIC, 1, &mut nanos) };
    if errno == WASI_SUCCESS { Ok(nanos) } else { Err(ClockFailed) }
}

/// A random number. Where the host has none, the nanoseconds of its clock, which differ between VMs and moments.
#[expect(unsafe_code, reason = "calls the host, which fills a buffer")]
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the buffer lives until the call is over, and its length goes with it.
    let errno = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    if errno == WASI_SUCCESS { u64::from_le_bytes(bytes) } else { monotonic_nanos().unwrap_or_default() }
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
    let bytes = taken(data, size);
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

/// Lets the filter state `wasm.` and this name be a text to whoever reads it, and not mere bytes, which equal no text in CEL. To be called in a root
/// context. A host that does not know how goes on with bytes, and one that was told before says no.
#[expect(unsafe_code, reason = "calls the host, which hands over memory")]
pub(super) fn declare_text_state(name: &str) -> Result<(), HostFailed> {
    const FUNCTION: &str = "declare_property";
    // `DeclarePropertyArguments` of Envoy (source/extensions/common/wasm/declare_property.proto): `name` is field 1, `type` field 3, and its
    // value 1 is a text. What is left out is as it is without declaration: written as often as one likes, and gone with the stream.
    // Longer lengths are written in several bytes.
    let Some(len) = u8::try_from(name.len()).ok().filter(|len| *len < 0x80) else { return Err(HostFailed) };
    let arguments = [&[0x0A, len], name.as_bytes(), &[0x18, 1]].concat();
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: every pointer is that of a live buffer or place and goes with its length; the host copies what it reads before it returns.
    let status = unsafe {
        proxy_call_foreign_function(
            FUNCTION.as_ptr(),
            FUNCTION.len(),
            arguments.as_ptr(),
            arguments.len(),
            &mut data,
            &mut size,
        )
    };
    drop(taken(data, size));
    // A number, because a host that does not have the call, or does not allow it, says so in ways that the SDK has no name for.
    if status == Status::Ok as u32 { Ok(()) } else { Err(HostFailed) }
}

/// An entry of shared data.
#[expect(unsafe_code, reason = "calls the host, which hands over memory")]
pub(super) fn shared_data(name: &[u8]) -> Entry {
    let (mut data, mut size, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: every pointer is that of a live buffer or place; the host copies the name before it returns, and writes nothing else.
    let status = unsafe { proxy_get_shared_data(name.as_ptr(), name.len(), &mut data, &mut size, &mut cas) };
    let bytes = taken(data, size);
    match done(status) {
        // The host counts from 1.
        Ok(()) if cas != 0 => Entry { bytes, version: Version::Cas(cas) },
        Ok(()) | Err(HostFailed) => Entry { bytes, version: Version::Absent },
    }
}

/// Writes an entry of shared data if it is still of that number.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn set_shared_data(name: &[u8], bytes: &[u8], cas: u32) -> Result<(), HostFailed> {
    // SAFETY: every pointer is that of a live buffer and goes with its length; the host copies all of them before it returns.
    done(unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), bytes.as_ptr(), bytes.len(), cas) })
}

/// The memory that the host has handed over.
#[expect(unsafe_code, reason = "the host's memory becomes ours")]
fn taken(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: the host asked `proxy_on_memory_allocate` for `size` bytes, which made them as a boxed slice of that length by the global allocator;
    // it filled them, and they are ours now.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

fn done(status: Status) -> Result<(), HostFailed> {
    if status == Status::Ok { Ok(()) } else { Err(HostFailed) }
}
