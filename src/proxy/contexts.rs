//! The contexts of a VM by the host's numbers: a root context is a plugin, and each of the others a request.

use std::rc::Rc;

use super::envoy_host::EnvoyHost;
use crate::filter::{RequestFilter, Root, Vm};
use crate::host::RequestId;

/// The plugins of a VM. There are a few.
pub(super) struct Plugins {
    vm: Rc<Vm<EnvoyHost>>,
    plugins: Vec<Plugin>,
}

/// One root context. It has no root before its first configuration.
pub(super) struct Plugin {
    context: u32,
    root: Option<Root<EnvoyHost>>,
}

/// The requests of a VM. The host numbers contexts one after the other, so they spread over the buckets.
pub(super) struct Requests(Vec<Vec<(u32, RequestFilter<EnvoyHost>)>>);

/// A power of two: some thousands of requests at once are a dozen in each.
const BUCKETS: usize = 256;

impl Plugins {
    pub(super) fn new() -> Self {
        Self { vm: Rc::new(Vm::new()), plugins: Vec::new() }
    }

    pub(super) fn create(&mut self, context: u32) {
        self.plugins.push(Plugin { context, root: None });
    }

    pub(super) fn delete(&mut self, context: u32) {
        self.plugins.retain(|plugin| plugin.context != context);
    }

    pub(super) fn root(&mut self, context: u32) -> Option<&mut Root<EnvoyHost>> {
        self.plugins.iter_mut().find(|plugin| plugin.context == context)?.root.as_mut()
    }

    /// The root of that context, made with its first configuration.
    pub(super) fn configured(&mut self, context: u32) -> Option<&mut Root<EnvoyHost>> {
        let plugin = self.plugins.iter_mut().find(|plugin| plugin.context == context)?;
        Some(plugin.root.get_or_insert_with(|| Root::new(EnvoyHost::new(context), Rc::clone(&self.vm))))
    }
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn insert(&mut self, context: u32, request: RequestFilter<EnvoyHost>) {
        if self.0.is_empty() {
            self.0.resize_with(BUCKETS, Vec::new);
        }
        if let Some(bucket) = self.0.get_mut(bucket_of(context)) {
            bucket.push((context, request));
        }
    }

    pub(super) fn remove(&mut self, context: u32) -> bool {
        let Some(bucket) = self.0.get_mut(bucket_of(context)) else { return false };
        let Some(place) = bucket.iter().position(|(other, _)| *other == context) else { return false };
        bucket.swap_remove(place);
        true
    }

    pub(super) fn get(&mut self, context: u32) -> Option<&mut RequestFilter<EnvoyHost>> {
        let bucket = self.0.get_mut(bucket_of(context))?;
        bucket.iter_mut().find(|(other, _)| *other == context).map(|(_, request)| request)
    }
}

/// A request of that plugin. One without a plugin is refused.
pub(super) fn request_of(root: Option<&mut Root<EnvoyHost>>, context: u32) -> RequestFilter<EnvoyHost> {
    let id = RequestId(context);
    root.map_or_else(|| RequestFilter::without_configuration(id), |root| root.request(id))
}

fn bucket_of(context: u32) -> usize {
    context as usize % BUCKETS
}
