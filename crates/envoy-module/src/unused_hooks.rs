//! Hooks that Envoy demands and that have nothing to do here.

use std::ffi::c_void;

/// Hooks that only say what becomes of a part of an answer: it passes.
macro_rules! passes {
    ($($name:ident($($argument:ty),*);)*) => {$(
        #[expect(unsafe_code, reason = "Envoy finds it by its name")]
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $argument),*) -> u32 {
            0
        }
    )*};
}

/// Hooks that do nothing.
macro_rules! ignores {
    ($($name:ident($($argument:ty),*);)*) => {$(
        #[expect(unsafe_code, reason = "Envoy finds it by its name")]
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $argument),*) {}
    )*};
}

type Object = *mut c_void;
type Ours = *const c_void;
type List = *const c_void;

passes! {
    envoy_dynamic_module_on_http_filter_response_headers(Object, Ours, bool);
    envoy_dynamic_module_on_http_filter_response_body(Object, Ours, bool);
    envoy_dynamic_module_on_http_filter_response_trailers(Object, Ours);
}

ignores! {
    envoy_dynamic_module_on_http_filter_stream_complete(Object, Ours);
    envoy_dynamic_module_on_http_filter_http_callout_done(Object, Ours, u64, u32, List, usize, List, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(Object, Ours, u64, List, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(Object, Ours, u64, List, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(Object, Ours, u64, List, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Object, Ours, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Object, Ours, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Object, Ours);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Object, Ours);
}
