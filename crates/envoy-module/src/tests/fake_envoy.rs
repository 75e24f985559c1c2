//! Envoy's side of the ABI, for tests in one process: it keeps what it was told, and lends headers from memory
//! of its own that it frees as soon as a hook has ended.

use std::cell::RefCell;
use std::ffi::c_void;
use std::slice;
use std::sync::Mutex;

use super::costs::uncounted;
use crate::abi::{EnvoyBuffer, EnvoyHeader};

/// Bytes of the module's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Lent {
    data: *const u8,
    len: usize,
}

/// One request as Envoy has it.
#[derive(Default)]
pub(crate) struct FakeStream {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) state: Vec<(String, String)>,
    pub(crate) answer: Option<Answer>,
    pub(crate) was_resumed: bool,
    pub(crate) route_was_cleared: bool,
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u32,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) details: String,
}

/// What the log was told, by all threads.
pub(crate) static LOG: Mutex<String> = Mutex::new(String::new());

thread_local! {
    /// Calls that were begun.
    pub(crate) static CALLS: RefCell<Vec<Vec<(String, String)>>> = const { RefCell::new(Vec::new()) };
}

impl FakeStream {
    pub(crate) fn with(headers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { headers: headers.iter().map(owned).collect(), ..Self::default() }
    }

    pub(crate) fn object(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn map(&mut self, map: u32) -> &mut Vec<(String, String)> {
        if map == 0 { &mut self.headers } else { &mut self.trailers }
    }
}

impl Lent {
    fn text(self) -> String {
        let bytes = if self.data.is_null() {
            &[]
        } else {
            // SAFETY: the module lends so many bytes for the call.
            unsafe { slice::from_raw_parts(self.data, self.len) }
        };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

fn stream<'a>(object: *mut c_void) -> &'a mut FakeStream {
    // SAFETY: the tests hand over a stream that outlives the hook.
    unsafe { &mut *object.cast() }
}

fn texts(pairs: *const [Lent; 2], len: usize) -> Vec<(String, String)> {
    // SAFETY: the module lends so many headers for the call.
    let pairs = if len == 0 { &[] } else { unsafe { slice::from_raw_parts(pairs, len) } };
    pairs.iter().map(|[name, value]| (name.text(), value.text())).collect()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log(_level: u32, message: Lent) {
    let mut log = LOG.lock().unwrap();
    log.push_str(&message.text());
    log.push('\n');
}

/// So that no thread ticks: the tests call the hooks themselves.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_is_validation_mode() -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_counter(
    _: *mut c_void,
    _: Lent,
    _: *const Lent,
    _: usize,
    id: &mut usize,
) -> u32 {
    *id = 1;
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
    _: *mut c_void,
    _: Lent,
    _: *const Lent,
    _: usize,
    id: &mut usize,
) -> u32 {
    *id = 1;
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
    _: *mut c_void,
    _: usize,
    _: *const Lent,
    _: usize,
    _: u64,
) -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
    _: *mut c_void,
    _: usize,
    _: *const Lent,
    _: usize,
    _: u64,
) -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_http_callout(
    _: *mut c_void,
    id: &mut u64,
    _cluster: Lent,
    headers: *const [Lent; 2],
    len: usize,
    _body: Lent,
    _timeout_ms: u64,
) -> u32 {
    *id = CALLS.with_borrow_mut(|calls| {
        calls.push(texts(headers, len));
        calls.len() as u64
    });
    0
}

/// A scheduler is a box, so that one that is not deleted, or is deleted twice, is found by whoever looks at memory.
fn scheduler() -> *mut c_void {
    Box::into_raw(Box::new(0_u64)).cast()
}

fn delete(scheduler: *mut c_void) {
    // SAFETY: it came from `scheduler`.
    drop(unsafe { Box::<u64>::from_raw(scheduler.cast()) });
}

fn commit(scheduler: *mut c_void) {
    // SAFETY: it came from `scheduler`, and was not deleted.
    unsafe { *scheduler.cast::<u64>() += 1 };
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(_: *mut c_void) -> *mut c_void {
    scheduler()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(it: *mut c_void, _: u64) {
    commit(it);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(it: *mut c_void) {
    delete(it);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(_: *mut c_void) -> *mut c_void {
    scheduler()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(it: *mut c_void, _: u64) {
    commit(it);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(it: *mut c_void) {
    delete(it);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(object: *mut c_void, map: u32) -> usize {
    stream(object).map(map).len()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    object: *mut c_void,
    map: u32,
    headers: *mut EnvoyHeader,
) -> bool {
    for (place, (name, value)) in stream(object).map(map).iter().enumerate() {
        let header = EnvoyHeader::of(EnvoyBuffer::of(name.as_bytes()), EnvoyBuffer::of(value.as_bytes()));
        // SAFETY: the module has asked how many there are, and made room for them.
        unsafe { *headers.add(place) = header };
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_add_header(
    object: *mut c_void,
    map: u32,
    name: Lent,
    value: Lent,
) -> bool {
    uncounted(|| {
        let headers = stream(object).map(map);
        headers.push((name.text().to_ascii_lowercase(), value.text()));
        // What was lent before is gone.
        headers.shrink_to_fit();
    });
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_header(
    object: *mut c_void,
    map: u32,
    name: Lent,
    value: Lent,
) -> bool {
    uncounted(|| {
        let name = name.text().to_ascii_lowercase();
        let headers = stream(object).map(map);
        headers.retain(|(other, _)| *other != name);
        // What was lent before is gone.
        headers.shrink_to_fit();
        if !value.data.is_null() {
            headers.push((name, value.text()));
        }
    });
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    object: *mut c_void,
    name: Lent,
    value: Lent,
) -> bool {
    uncounted(|| stream(object).state.push((name.text(), value.text())));
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_send_response(
    object: *mut c_void,
    status: u32,
    headers: *const [Lent; 2],
    len: usize,
    _body: Lent,
    details: Lent,
) {
    uncounted(|| {
        let answer = Answer { status, headers: texts(headers, len), details: details.text() };
        stream(object).answer = Some(answer);
    });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_clear_route_cache(object: *mut c_void) {
    stream(object).route_was_cleared = true;
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(object: *mut c_void) {
    stream(object).was_resumed = true;
}
