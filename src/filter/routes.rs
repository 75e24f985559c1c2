//! What the route of a request asks in its metadata, in addition to the rule.
//!
//! Envoy has chosen the route by what the client sent, so nothing that opens anything is read from it: a route
//! can only ask for more. One whose metadata cannot be read is asked as much as can be, and its requests are
//! refused. A request that brings a header of ours is refused as well, because its route may have been chosen
//! by that header, and another one is chosen once it has been removed.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::{Filter, LogLines};
use crate::clock::Moment;
use crate::headers::Headers;
use crate::host::{Host, HostRequest, LogLevel};
use crate::limits::{ROUTE_METADATA_LEN_MAX, ROUTES_KEPT_MAX};
use crate::rules::{Ambiguous, Asked, RouteAsks};

/// What routes have asked so far, by their metadata, and what the log was told of it.
#[derive(Default)]
pub(super) struct Routes {
    /// In the order of the metadata.
    read: RefCell<Vec<(Vec<u8>, Rc<RouteAsks>)>>,
    lines: LogLines,
}

#[cfg(test)]
impl Routes {
    /// Of how many different metadata it is known what they ask.
    pub(super) fn kept(&self) -> usize {
        self.read.borrow().len()
    }
}

impl<H: Host> Filter<H> {
    /// What the route of the request asks, and whether that can be told of this request. `None` where route
    /// metadata is not looked at.
    pub(super) fn route_asks(
        &self,
        asked: &Asked<'_>,
        request: &H::Request,
        headers: &impl Headers,
        now: Moment,
    ) -> (Option<Rc<RouteAsks>>, Option<Ambiguous>) {
        if !self.config.route_metadata || asked.is_passing_preflight {
            return (None, None);
        }
        let is_owned = |(name, _): (&[u8], &[u8])| self.config.identity.is_owned(name);
        let ambiguous = headers.iter().any(is_owned).then_some(Ambiguous::Route);
        (Some(self.read_route(request, now)), ambiguous)
    }

    fn read_route(&self, request: &H::Request, now: Moment) -> Rc<RouteAsks> {
        let Ok(metadata) = request.route_metadata() else {
            self.log_route(format_args!("a request has no route whose metadata could be read"), now);
            return Rc::new(RouteAsks::Unreadable);
        };
        let mut read = self.routes.read.borrow_mut();
        let place = read.binary_search_by(|(other, _)| other.cmp(&metadata));
        if let Some((_, asks)) = place.ok().and_then(|place| read.get(place)) {
            return Rc::clone(asks);
        }
        let asks = Rc::new(self.config.route_asks(&metadata).unwrap_or_else(|invalid| {
            self.log_route(format_args!("{invalid}"), now);
            RouteAsks::Unreadable
        }));
        // The operator writes metadata and no client does.
        if read.len() >= ROUTES_KEPT_MAX {
            read.clear();
        }
        if metadata.len() <= ROUTE_METADATA_LEN_MAX {
            let place = read.partition_point(|(other, _)| *other < metadata);
            read.insert(place, (metadata, Rc::clone(&asks)));
        }
        asks
    }

    fn log_route(&self, message: fmt::Arguments<'_>, now: Moment) {
        if self.routes.lines.may_log(now.monotonic) {
            self.host.log(LogLevel::Error, format_args!("{message}; refused with 503"));
        }
    }
}
