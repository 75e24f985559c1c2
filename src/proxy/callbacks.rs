//! What the host calls (proxy-wasm ABI 0.2.1).

use std::cell::RefCell;
use std::panic;

use super::abi::{self, Buffer};
use super::contexts::{Plugins, Requests, request_of};
use super::requests::{EnvoyAnswer, EnvoyRequest};
use crate::filter::Flow;
use crate::refresh::CallId;

thread_local! {
    static PLUGINS: RefCell<Plugins> = RefCell::new(Plugins::new());
    static REQUESTS: RefCell<Requests> = const { RefCell::new(Requests::new()) };
}

/// The ABI's numbers for what becomes of a part of a request.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// The ABI's level of the worst lines of the log.
const CRITICAL: u32 = 5;

#[expect(unsafe_code, reason = "the linker's function is foreign")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Called once for each VM, before anything else.
#[expect(unsafe_code, reason = "the host finds it by its name, and the linker's function is foreign")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: called once, and before anything else, as the linker asks for.
    unsafe { __wasm_call_ctors() };
    panic::set_hook(Box::new(|panic| abi::log(CRITICAL, &panic.to_string())));
}

/// Says which ABI this is, by its name.
#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the host hands over: a boxed slice of that length.
#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root_context: u32) {
    PLUGINS.with_borrow_mut(|plugins| {
        if root_context == 0 {
            plugins.create(context);
        } else {
            let request = request_of(plugins.root(root_context), context);
            REQUESTS.with_borrow_mut(|requests| requests.insert(context, request));
        }
    });
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root_context: u32, _configuration_size: usize) -> bool {
    true
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root_context: u32, configuration_size: usize) -> bool {
    let json = abi::buffer(Buffer::PluginConfiguration, configuration_size).unwrap_or_default();
    PLUGINS.with_borrow_mut(|plugins| {
        let root = plugins.configured(root_context);
        root.is_some_and(|root| root.configure(&json, |name| std::env::var(name).ok()))
    })
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root_context: u32) {
    PLUGINS.with_borrow_mut(|plugins| {
        if let Some(root) = plugins.root(root_context) {
            root.tick();
        }
    });
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root_context: u32,
    call: u32,
    num_headers: usize,
    body_size: usize,
    _num_trailers: usize,
) {
    PLUGINS.with_borrow_mut(|plugins| {
        if let Some(root) = plugins.root(root_context) {
            root.answered(CallId(call), &EnvoyAnswer { num_headers, body_size });
        }
    });
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _num_headers: usize, _end_of_stream: bool) -> u32 {
    REQUESTS.with_borrow_mut(|requests| match requests.get(context) {
        Some(request) => action(request.headers(&mut EnvoyRequest)),
        None => action(request_of(None, context).headers(&mut EnvoyRequest)),
    })
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, _body_size: usize, _end_of_stream: bool) -> u32 {
    REQUESTS.with_borrow_mut(|requests| requests.get(context).map_or(PAUSE, |request| action(request.body())))
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _num_trailers: usize) -> u32 {
    REQUESTS.with_borrow_mut(|requests| {
        requests.get(context).map_or(PAUSE, |request| action(request.trailers(&mut EnvoyRequest)))
    })
}

#[expect(unsafe_code, reason = "the host finds it by its name")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if !REQUESTS.with_borrow_mut(|requests| requests.remove(context)) {
        PLUGINS.with_borrow_mut(|plugins| plugins.delete(context));
    }
}

fn action(flow: Flow) -> u32 {
    match flow {
        Flow::Continue => CONTINUE,
        Flow::Hold => PAUSE,
    }
}
