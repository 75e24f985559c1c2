//! Envoy's ABI for dynamic modules, v0.1.0, as far as it is used. What is unsafe is here, in `objects.rs`, and
//! where a hook takes over what Envoy lends.
//!
//! The declarations are written by hand after `source/extensions/dynamic_modules/abi/abi.h` of Envoy 1.39.
//! Envoy compares no layout, only the text of the version, and warns when it differs.
//!
//! Who owns what:
//!
//! * What Envoy lends ([`EnvoyBuffer`], [`EnvoyHeader`]) is Envoy's, and there until the hook that is running
//!   ends, or until headers of that request are changed. So the wrappers lend it on by a borrow of the
//!   [`Stream`], and every change borrows it as mutable.
//! * What the module lends ([`ModuleBuffer`], [`ModuleHeader`]) is ours. Envoy copies it before the call
//!   returns.
//! * A [`StreamScheduler`] or [`ConfigScheduler`] is made by Envoy and ours to delete. It holds its filter or configuration weakly.

use std::ffi::c_void;
use std::ptr;

mod config_object;
mod stream;

pub(crate) use config_object::{ConfigObject, ConfigScheduler};
pub(crate) use stream::{Stream, StreamHeaders, StreamScheduler};

/// Bytes of Envoy's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct EnvoyBuffer {
    data: *const u8,
    len: usize,
}

/// A header of Envoy's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct EnvoyHeader {
    name: EnvoyBuffer,
    value: EnvoyBuffer,
}

/// Bytes of ours. A null pointer says that there are none, which is not the same as an empty text.
#[derive(Clone, Copy)]
#[repr(C)]
struct ModuleBuffer {
    data: *const u8,
    len: usize,
}

/// A header of ours.
#[derive(Clone, Copy)]
#[repr(C)]
struct ModuleHeader {
    name: ModuleBuffer,
    value: ModuleBuffer,
}

/// Which headers, by their number in the ABI.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
}

/// How urgent a line of the log is, by its number in the ABI.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// What a call about metrics, or the beginning of a call over HTTP, answers when all went well.
const SUCCESS: u32 = 0;

#[expect(unsafe_code, reason = "Envoy's functions are foreign")]
unsafe extern "C" {
    fn envoy_dynamic_module_callback_log(level: Level, message: ModuleBuffer);
    fn envoy_dynamic_module_callback_is_validation_mode() -> bool;
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: *mut c_void,
        name: ModuleBuffer,
        labels: *const ModuleBuffer,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: *mut c_void,
        name: ModuleBuffer,
        labels: *const ModuleBuffer,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: *mut c_void,
        id: usize,
        values: *const ModuleBuffer,
        values_len: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        config: *mut c_void,
        id: usize,
        values: *const ModuleBuffer,
        values_len: usize,
        value: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_http_callout(
        config: *mut c_void,
        id: *mut u64,
        cluster: ModuleBuffer,
        headers: *const ModuleHeader,
        headers_len: usize,
        body: ModuleBuffer,
        timeout_ms: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(config: *mut c_void) -> *mut c_void;
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler: *mut c_void, event: u64);
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: *mut c_void);
    fn envoy_dynamic_module_callback_http_filter_scheduler_new(stream: *mut c_void) -> *mut c_void;
    fn envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler: *mut c_void, event: u64);
    fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void);
    fn envoy_dynamic_module_callback_http_get_headers_size(stream: *mut c_void, map: Map) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(
        stream: *mut c_void,
        map: Map,
        headers: *mut EnvoyHeader,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_add_header(
        stream: *mut c_void,
        map: Map,
        name: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(
        stream: *mut c_void,
        map: Map,
        name: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        stream: *mut c_void,
        name: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_send_response(
        stream: *mut c_void,
        status: u32,
        headers: *const ModuleHeader,
        headers_len: usize,
        body: ModuleBuffer,
        details: ModuleBuffer,
    );
    fn envoy_dynamic_module_callback_http_clear_route_cache(stream: *mut c_void);
    fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: *mut c_void);
}

/// Envoy would not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl ModuleBuffer {
    const NONE: Self = Self { data: ptr::null(), len: 0 };

    const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

impl ModuleHeader {
    fn of(name: &str, value: &str) -> Self {
        Self { name: ModuleBuffer::of(name.as_bytes()), value: ModuleBuffer::of(value.as_bytes()) }
    }
}

impl EnvoyBuffer {
    /// As Envoy would lend them.
    #[cfg(test)]
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// They must still be there for as long as `'a`.
    #[expect(unsafe_code, reason = "reads memory of Envoy's")]
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.data.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: Envoy says that so many bytes are there, and the caller that they still are.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl EnvoyHeader {
    const NONE: Self = {
        let none = EnvoyBuffer { data: ptr::null(), len: 0 };
        Self { name: none, value: none }
    };

    /// As Envoy would lend it.
    #[cfg(test)]
    pub(crate) const fn of(name: EnvoyBuffer, value: EnvoyBuffer) -> Self {
        Self { name, value }
    }

    /// Name and value.
    ///
    /// # Safety
    ///
    /// They must still be there for as long as `'a`.
    #[expect(unsafe_code, reason = "reads memory of Envoy's")]
    pub(crate) unsafe fn pair<'a>(self) -> (&'a [u8], &'a [u8]) {
        // SAFETY: as the caller says.
        unsafe { (self.name.bytes(), self.value.bytes()) }
    }
}

// SAFETY of every call below: a pointer that goes with a length is that of a live buffer of that length, which
// Envoy copies or is done with before it returns; one without is that of a live place, into which Envoy writes
// one value; and an object is there, as its type says.

#[expect(unsafe_code, reason = "calls Envoy")]
pub(crate) fn log(level: Level, message: &str) {
    unsafe { envoy_dynamic_module_callback_log(level, ModuleBuffer::of(message.as_bytes())) }
}

/// Whether Envoy only checks its configuration. Asked on the main thread.
#[expect(unsafe_code, reason = "calls Envoy")]
pub(crate) fn is_validation() -> bool {
    unsafe { envoy_dynamic_module_callback_is_validation_mode() }
}

fn buffers(texts: &[impl AsRef<str>]) -> Vec<ModuleBuffer> {
    texts.iter().map(|text| ModuleBuffer::of(text.as_ref().as_bytes())).collect()
}

fn done(result: u32) -> Result<(), Refused> {
    if result == SUCCESS { Ok(()) } else { Err(Refused) }
}
