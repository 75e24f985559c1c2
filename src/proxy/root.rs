//! The root context: one configuration of the filter in one VM.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};

use super::plugin::Plugin;
use super::request_filter::RequestFilter;
use crate::config::Config;
use crate::limits::FIRST_TICK_MS;
use crate::refresh::CallId;

pub(super) struct FilterRoot {
    context_id: u32,
    /// Absent until a configuration has been accepted; requests are refused without one.
    plugin: Option<Rc<Plugin>>,
}

impl FilterRoot {
    pub(super) fn new(context_id: u32) -> Self {
        Self { context_id, plugin: None }
    }
}

impl Context for FilterRoot {
    fn on_http_call_response(
        &mut self,
        token_id: u32,
        num_headers: usize,
        body_size: usize,
        _num_trailers: usize,
    ) {
        if let Some(plugin) = &self.plugin {
            plugin.answered(CallId(token_id), num_headers, body_size);
        }
    }
}

impl RootContext for FilterRoot {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten();
        match Config::parse(&json.unwrap_or_default(), |name| std::env::var(name).ok()) {
            Ok(config) => {
                if let Some(before) = self.plugin.replace(Rc::new(Plugin::new(config, self.context_id))) {
                    before.leave();
                }
                let _ = hostcalls::set_tick_period(Duration::from_millis(FIRST_TICK_MS));
                true
            }
            Err(invalid) => {
                log::error!("{invalid}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.tick();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(RequestFilter::new(context_id, self.plugin.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// All requests of this configuration have ended.
impl Drop for FilterRoot {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.leave();
        }
    }
}
