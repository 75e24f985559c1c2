//! The host calls of an accepted request, with constants for what the table would say: what no filter that
//! tells as much in headers can cost less than.

#![cfg(target_arch = "wasm32")]

use std::hint::black_box;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType};

/// What the Lua filter of the bench sets too (`benches/envoy/filters/lua.yaml`).
const IDENTITY: [(&str, &str); 6] = [
    ("x-api-key-id", "AAAAAAAAAAAAAAAAAAAA"),
    ("x-api-key-name", "service-100"),
    ("x-api-key-owner", "team-10"),
    ("x-api-key-owner-realm", "native"),
    ("x-api-key-roles", "reader"),
    ("x-api-key-limited-by", "ops"),
];

/// A gauge to read, as the change mark is one.
type Mark = Option<u32>;

#[derive(Default)]
struct Root(Mark);

struct Request(Mark);

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.0 = hostcalls::define_metric(MetricType::Gauge, "bench.calls.mark").ok();
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request(self.0)))
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let _ = black_box(hostcalls::get_map_bytes(MapType::HttpRequestHeaders));
        let _ = black_box(hostcalls::get_current_time());
        if let Some(mark) = self.0 {
            let _ = black_box(hostcalls::get_metric(mark));
        }
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, "authorization");
        for (name, value) in IDENTITY {
            let _ = hostcalls::add_map_value(MapType::HttpRequestHeaders, name, value);
        }
        Action::Continue
    }
}

/// What the host calls first.
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(crate::Root::default()));
    }}
}
