//! What Envoy calls. Each hook does one thing, inside [`caught`]; a request whose hook has panicked is refused.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::slice;

use latchkey_build_info::FILTER;
use latchkey_filter::filter::Flow;

use crate::abi::{self, ConfigObject, EnvoyBuffer, EnvoyHeader, Level, Stream};
use crate::main_thread;
use crate::objects;
use crate::panics::{Panicked, caught, caught_quietly, set_hook};
use crate::requests::{End, EnvoyAnswer, EnvoyRequest};
use crate::streams::StreamFilter;

/// The version of the ABI that the declarations were written after.
const ABI_VERSION: &CStr = c"v0.1.0";

/// What becomes of a part of a request, by its number in the ABI: of each kind of part, 0 passes it on.
const CONTINUE: u32 = 0;

/// Headers stay, and Envoy calls no hook with what comes after them until they go on.
const HOLD_HEADERS: u32 = 4;

/// A part of the body stays, and the client is slowed down when too much does.
const HOLD_BODY: u32 = 2;

/// Trailers stay.
const HOLD_TRAILERS: u32 = 1;

/// Called once for each time the library is loaded, on the main thread, before anything else.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    set_hook();
    abi::log(Level::Info, FILTER);
    ABI_VERSION.as_ptr()
}

/// A configuration has come. Null refuses it, and the one before stays.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    object: *mut c_void,
    _name: EnvoyBuffer,
    config: EnvoyBuffer,
) -> *const c_void {
    let accepted = caught("config_new", || {
        // SAFETY: Envoy lends the text until this hook ends.
        let json = unsafe { config.bytes() };
        main_thread::accept(ConfigObject::of(object)?, json)
    });
    accepted.ok().flatten().map_or(std::ptr::null(), objects::of_plugin)
}

/// A configuration is gone, and all its requests before it. This may be any thread.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: *const c_void) {
    // SAFETY: the pointer is that of the configuration, and this is the last that comes of it.
    let Some(plugin) = (unsafe { objects::take_plugin(config) }) else { return };
    let _ = caught("config_destroy", || main_thread::end(&plugin));
}

/// A tick, on the main thread.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    _object: *mut c_void,
    config: *const c_void,
    _event: u64,
) {
    // SAFETY: the configuration is there while a hook of it runs.
    let Some(plugin) = (unsafe { objects::plugin(config) }) else { return };
    let _ = caught("config_scheduled", || main_thread::tick(&plugin));
}

/// A call of a configuration has ended, on the main thread.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    _object: *mut c_void,
    config: *const c_void,
    call: u64,
    _result: u32,
    headers: *const EnvoyHeader,
    headers_len: usize,
    chunks: *const EnvoyBuffer,
    chunks_len: usize,
) {
    // SAFETY: the configuration is there while a hook of it runs.
    let Some(plugin) = (unsafe { objects::plugin(config) }) else { return };
    let _ = caught("config_http_callout_done", || {
        // SAFETY: Envoy lends both lists, and what they point to, until this hook ends. Of a call that has failed
        // there are none.
        let (headers, chunks) = unsafe { (lent(headers, headers_len), lent(chunks, chunks_len)) };
        // SAFETY: as above.
        let headers = headers.iter().map(|header| unsafe { header.pair() }).collect();
        let body = match chunks {
            [] => Cow::Borrowed(&[][..]),
            // SAFETY: as above.
            [chunk] => Cow::Borrowed(unsafe { chunk.bytes() }),
            // SAFETY: as above.
            chunks => Cow::Owned(chunks.iter().flat_map(|chunk| unsafe { chunk.bytes() }).copied().collect()),
        };
        main_thread::answered(&plugin, call, &EnvoyAnswer { headers, body });
    });
}

/// A request has come, and its headers follow. Null would end it without an answer.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _stream: *mut c_void,
) -> *const c_void {
    // SAFETY: the configuration outlives its requests.
    let Some(plugin) = (unsafe { objects::plugin(config) }) else { return std::ptr::null() };
    let stream = caught("new", || StreamFilter::new(&plugin));
    objects::of_stream(stream.unwrap_or_else(|Panicked| StreamFilter::refused()))
}

#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: *mut c_void,
    filter: *const c_void,
    _ends: bool,
) -> u32 {
    status(looked_at("request_headers", stream, filter, StreamFilter::headers), HOLD_HEADERS)
}

#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    stream: *mut c_void,
    filter: *const c_void,
    _ends: bool,
) -> u32 {
    status(looked_at("request_body", stream, filter, StreamFilter::body), HOLD_BODY)
}

#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    stream: *mut c_void,
    filter: *const c_void,
) -> u32 {
    status(looked_at("request_trailers", stream, filter, StreamFilter::trailers), HOLD_TRAILERS)
}

/// A request that waits may be decided now.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    stream: *mut c_void,
    filter: *const c_void,
    _event: u64,
) {
    looked_at("scheduled", stream, filter, |filter, request| {
        filter.look_again(request);
        Flow::Hold
    });
}

/// A request has ended.
#[expect(unsafe_code, reason = "Envoy finds it by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_http_filter_destroy(filter: *const c_void) {
    let _ = caught("destroy", || {
        // SAFETY: the pointer is that of the request, and this is the last that comes of it. No other hook looks
        // at the request, though one may be about to return to Envoy.
        drop(unsafe { objects::take_stream(filter) });
    });
}

/// Does what a hook of a request is for, and then what would end or resume it.
#[expect(unsafe_code, reason = "looks at what Envoy keeps")]
fn looked_at(
    hook: &str,
    stream: *mut c_void,
    filter: *const c_void,
    look: impl FnOnce(&mut StreamFilter, &mut EnvoyRequest) -> Flow,
) -> Flow {
    let looked = caught(hook, || {
        let mut request = EnvoyRequest::of(Stream::of(stream)?);
        // SAFETY: the request is there while a hook of it runs, on its thread, and no hook runs inside this
        // one: nothing that is done here ends or resumes it.
        let flow = unsafe { objects::with_stream(filter, |filter| look(filter, &mut request)) }?;
        Some((flow, request.into_end()))
    });
    match looked {
        Ok(Some((flow, end))) => {
            if let Some((stream, end)) = end {
                let _ = caught("end", || end.carry_out(stream));
            }
            flow
        }
        Ok(None) => Flow::Hold,
        Err(Panicked) => {
            if let Some(stream) = Stream::of(stream) {
                let _ = caught_quietly(|| End::Panic.carry_out(stream));
            }
            Flow::Hold
        }
    }
}

fn status(flow: Flow, hold: u32) -> u32 {
    match flow {
        Flow::Continue => CONTINUE,
        Flow::Hold => hold,
    }
}

/// A list of Envoy's.
///
/// # Safety
///
/// It is null, or so many are there for as long as `'a`.
#[expect(unsafe_code, reason = "reads memory of Envoy's")]
unsafe fn lent<'a, T>(list: *const T, len: usize) -> &'a [T] {
    // SAFETY: as the caller says.
    if list.is_null() { &[] } else { unsafe { slice::from_raw_parts(list, len) } }
}
