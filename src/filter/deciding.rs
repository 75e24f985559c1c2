//! What becomes of one request: what is asked of it, the verdict, and carrying it out.
//!
//! In shadow mode a request that would be refused passes: as its key where the key is good, and as nobody
//! otherwise. Nothing waits. What would have happened is told to the upstream, counted and logged. Only
//! trouble with the host refuses then, because a request with forged headers must not reach the upstream.

use std::time::Duration;

use latchkey_key_feed::{KeyId, MonotonicMillis, SecretUsed, header_value};

use super::{Filter, Handled};
use crate::clock::Moment;
use crate::credential::{Presented, Stripped};
use crate::denial::{Denial, Unauthenticated, Unavailable};
use crate::gate::{self, Admission, Freshness, Refusal, Verdict, VerifiedKey, WaitingTime};
use crate::headers::Headers;
use crate::host::{Host, HostFailed, HostRequest, LogLevel};
use crate::identity::{CLAIMED_ID_STATE, HeaderEdit, KeyIdentity, RULE_STATE, SHADOW_HEADER, SHADOW_STATE};
use crate::limits::RETRY_AFTER_MS;
use crate::reply::Reply;
use crate::rights::RightsInTable;
use crate::rules::{Asked, Authentication, Mode, RouteAsks, ToldPrivileges};
use crate::table::KeyTable;

/// What is changed of a request that passes.
struct Change<'a> {
    edits: Vec<HeaderEdit<'a>>,
    /// Whether its route is chosen again, where the host does not do that after every edit.
    rechooses_route: bool,
}

/// The record of a key in the table of a host.
type RecordOf<H> = <<H as Host>::Table as KeyTable>::Record;

impl<H: Host> Filter<H> {
    /// Decides about a request that may wait `until` then. `hidden` is the credential that was taken out of it.
    pub(super) fn decide(
        &self,
        request: &mut H::Request,
        hidden: Option<&Presented>,
        until: MonotonicMillis,
        now: Moment,
    ) -> Handled {
        let Ok(headers) = request.headers() else { return self.refuse_for_the_host(request) };
        let (asked, ambiguous) = match self.config.rules.ask(&headers) {
            Ok(asked) => (asked, None),
            Err(ambiguous) => (self.config.rules.asked_otherwise(), Some(ambiguous)),
        };
        let (route, by_route) = self.route_asks(&asked, request, &headers, now);
        let asked = asked.with_route(route.as_deref().unwrap_or(&RouteAsks::Nothing));
        let ambiguous = ambiguous.or(by_route).map(Denial::Ambiguous);
        let is_shadow = asked.mode == Mode::Shadow;
        let waiting_time =
            if now.monotonic < until && !is_shadow { WaitingTime::Left } else { WaitingTime::Over };
        let presented = || match hidden {
            Some(hidden) => Ok(Some(hidden.clone())),
            None => self.config.credential_sources.extract(&headers),
        };
        let verdict = self.counted(match ambiguous {
            Some(denial) if !is_shadow => Verdict::Deny(Refusal { denial, claimed_id: None }),
            _ => {
                let (rights, staleness) = (self.rights_at(now), &self.config.staleness);
                gate::decide(presented, &asked, &self.table, &rights, staleness, waiting_time, now)
            }
        });
        match verdict {
            Verdict::Admit(admission) => {
                let change = self.change(&asked, Some(&admission.key), &headers, ambiguous);
                drop(headers);
                self.admit(&asked, &admission, &change, ambiguous, request, now)
            }
            Verdict::Pass => {
                let change = self.change(&asked, None, &headers, ambiguous);
                drop(headers);
                self.pass(&asked, &change, ambiguous, request, now)
            }
            Verdict::Forbid(admission, denial) if is_shadow => {
                let shadow = ambiguous.or(Some(denial));
                let change = self.change(&asked, Some(&admission.key), &headers, shadow);
                drop(headers);
                self.admit(&asked, &admission, &change, shadow, request, now)
            }
            Verdict::Deny(Refusal { denial, claimed_id }) if is_shadow => {
                let shadow = ambiguous.or(Some(denial));
                let change = self.change(&asked, None, &headers, shadow);
                drop(headers);
                self.claim(claimed_id.as_ref(), request);
                self.pass(&asked, &change, shadow, request, now)
            }
            Verdict::Forbid(Admission { key, .. }, denial) => {
                let reply = match denial {
                    Denial::Forbidden => {
                        let rule = asked.rule_name().unwrap_or_default();
                        self.config.replies.forbidden(rule, key.id(), Some(&headers))
                    }
                    other => self.reply_to(other, Some(&headers)),
                };
                let stripped = self.config.credential_sources.strip_paths(&headers);
                drop(headers);
                // The request is refused all the same.
                let _ = edit(request, &edits_of(stripped));
                // The log misses a name where the host would not take it; the request is refused all the same.
                let _ = self.tell(&key, request);
                self.refuse(&asked, denial, reply, request)
            }
            Verdict::Deny(Refusal { denial, claimed_id }) => {
                let reply = self.reply_to(denial, Some(&headers));
                let stripped = self.config.credential_sources.strip_paths(&headers);
                drop(headers);
                // The request is refused all the same.
                let _ = edit(request, &edits_of(stripped));
                self.claim(claimed_id.as_ref(), request);
                self.refuse(&asked, denial, reply, request)
            }
            Verdict::Wait => Handled::Waits,
        }
    }

    /// Counts that a key was used, or that somebody tried to.
    fn counted<R>(&self, verdict: Verdict<R>) -> Verdict<R> {
        let Some(usage) = self.reporting.counter() else { return verdict };
        match &verdict {
            Verdict::Admit(Admission { key, .. }) | Verdict::Forbid(Admission { key, .. }, _) => {
                usage.proven(key.id());
            }
            Verdict::Deny(Refusal { denial, claimed_id: Some(id) })
                if *denial == Denial::Unauthenticated(Unauthenticated::SecretWrong) =>
            {
                usage.wrong_secret(id);
            }
            Verdict::Deny(_) | Verdict::Pass | Verdict::Wait => {}
        }
        verdict
    }

    /// What keys may do now.
    fn rights_at(&self, now: Moment) -> RightsInTable<'_, H::Table> {
        RightsInTable {
            prepared: &self.rights,
            questions: self.config.rules.questions(),
            told: self.config.identity.application(),
            applications: &self.applications,
            table: &self.table,
            now: now.monotonic,
        }
    }

    /// What lets the upstream read the identity of the key and no other, and why the request was to be
    /// refused. Where nothing is looked at, a credential is not ours to remove. A preflight is for a request that
    /// brings its credential, and shows the same query.
    fn change<'a>(
        &'a self,
        asked: &Asked<'_>,
        key: Option<&'a VerifiedKey<RecordOf<H>>>,
        headers: &impl Headers,
        shadow: Option<Denial>,
    ) -> Change<'a> {
        let forward = self.config.forward_credential || asked.authentication == Authentication::Off;
        let stripped = if forward { Vec::new() } else { self.config.credential_sources.strip(headers) };
        let mut edits = self.config.identity.edits(headers, key, stripped);
        edits.extend(shadow.map(|denial| HeaderEdit::Add(SHADOW_HEADER, denial.reason())));
        Change { rechooses_route: H::Request::KEEPS_ROUTE && self.rechooses_route(&edits), edits }
    }

    /// Whether the route may have been chosen by something that the upstream does not see, or is to be chosen
    /// by what it sees.
    fn rechooses_route(&self, edits: &[HeaderEdit<'_>]) -> bool {
        // What the client sent under a name of ours is removed.
        let is_of_ours = |edit: &HeaderEdit<'_>| match edit {
            HeaderEdit::Remove(name) => self.config.identity.is_owned(name),
            HeaderEdit::Add(..) | HeaderEdit::Replace(..) => false,
        };
        self.config.clear_route_cache
            || self.config.credential_sources.look_at_the_query()
            || edits.iter().any(is_of_ours)
    }

    fn admit(
        &self,
        asked: &Asked<'_>,
        Admission { key, freshness }: &Admission<RecordOf<H>>,
        change: &Change<'_>,
        shadow: Option<Denial>,
        request: &mut H::Request,
        now: Moment,
    ) -> Handled {
        let told = change
            .make(request)
            .and_then(|()| self.tell(key, request))
            .and_then(|()| self.tell_rule(asked, shadow, request));
        let Ok(()) = told else { return self.refuse_for_the_host(request) };
        self.note_shadow(asked, shadow, now);
        self.note_untold(key.told_privileges(), now);
        self.stats.tally(&self.stats.admitted);
        if *freshness == Freshness::Stale {
            self.stats.tally(&self.stats.admitted_stale);
        }
        if key.secret_used() == SecretUsed::Previous {
            self.stats.tally(&self.stats.admitted_previous_secret);
        }
        Handled::Passed
    }

    fn pass(
        &self,
        asked: &Asked<'_>,
        change: &Change<'_>,
        shadow: Option<Denial>,
        request: &mut H::Request,
        now: Moment,
    ) -> Handled {
        let told = change.make(request).and_then(|()| self.tell_rule(asked, shadow, request));
        let Ok(()) = told else { return self.refuse_for_the_host(request) };
        self.note_shadow(asked, shadow, now);
        self.stats.tally(&self.stats.passed_without_key);
        Handled::Passed
    }

    /// Tells the identity to the rest of the proxy.
    fn tell(&self, key: &impl KeyIdentity, request: &mut H::Request) -> Result<(), HostFailed> {
        for field in &self.config.identity.filter_state().fields {
            if let Some(value) = key.value(*field).filter(|value| !value.is_empty()) {
                request.set_filter_state(field.filter_state(), value)?;
            }
        }
        Ok(())
    }

    /// Tells the name of the rule to the rest of the proxy, and why the request was to be refused.
    fn tell_rule(
        &self,
        asked: &Asked<'_>,
        shadow: Option<Denial>,
        request: &mut H::Request,
    ) -> Result<(), HostFailed> {
        if !self.config.identity.filter_state().rule {
            return Ok(());
        }
        if let Some(name) = asked.rule_name() {
            request.set_filter_state(RULE_STATE, name)?;
        }
        match shadow {
            Some(denial) => request.set_filter_state(SHADOW_STATE, denial.reason()),
            None => Ok(()),
        }
    }

    /// Tells the id that a request presented and did not prove. The log misses it where the host would not
    /// take it.
    fn claim(&self, id: Option<&KeyId>, request: &mut H::Request) {
        if let Some(id) = id.filter(|_| self.config.identity.filter_state().claimed_id) {
            let _ = request.set_filter_state(CLAIMED_ID_STATE, &header_value::encode(id.as_str()));
        }
    }

    /// Counts and logs a request that was to be refused. Nothing of a line comes from the request, and the
    /// lines are bounded.
    fn note_shadow(&self, asked: &Asked<'_>, shadow: Option<Denial>, now: Moment) {
        let Some(denial) = shadow else { return };
        self.stats.count_shadowed(asked.rule, denial);
        if self.shadow_lines.may_log(now.monotonic) {
            let rule = asked.rule_name().unwrap_or("no rule");
            let reason = denial.reason();
            self.host.log(LogLevel::Info, format_args!("shadow: {rule} would refuse a request: {reason}"));
        }
    }

    /// Counts and logs a request whose upstream is not told the privileges of its key.
    fn note_untold(&self, told: &ToldPrivileges, now: Moment) {
        let ToldPrivileges::Untold(untold) = told else { return };
        self.stats.tally(&self.stats.privileges_untold);
        if self.untold_lines.may_log(now.monotonic) {
            let reason = untold.reason();
            self.host.log(LogLevel::Warn, format_args!("the privileges of a key are not told: {reason}"));
        }
    }

    fn refuse(&self, asked: &Asked<'_>, denial: Denial, reply: Reply, request: &mut H::Request) -> Handled {
        let _ = self.tell_rule(asked, None, request);
        self.stats.count_denied(asked.rule, denial);
        if let Some(usage) = self.reporting.counter() {
            usage.refused(denial.reason());
        }
        let status = reply.status;
        if let Err(HostFailed) = request.reply(reply) {
            self.host.log(LogLevel::Error, format_args!("the host would not send a {status} reply"));
        }
        Handled::Replied
    }

    /// A request without an answer to who it is, or with a header of ours that still is the client's, must
    /// not reach the upstream.
    pub(super) fn refuse_for_the_host(&self, request: &mut H::Request) -> Handled {
        let denial = Denial::Unavailable(Unavailable::HostFailed);
        let headers = request.headers().ok();
        let reply = self.reply_to(denial, headers.as_ref());
        let stripped = headers.as_ref().map(|headers| self.config.credential_sources.strip_paths(headers));
        drop(headers);
        let _ = edit(request, &edits_of(stripped.unwrap_or_default()));
        self.refuse(&self.config.rules.asked_otherwise(), denial, reply, request)
    }

    fn reply_to(&self, denial: Denial, headers: Option<&impl Headers>) -> Reply {
        let path = headers.and_then(|headers| self.config.credential_sources.path(headers));
        self.config.replies.to(denial, headers, path.as_deref(), Duration::from_millis(RETRY_AFTER_MS))
    }
}

impl Change<'_> {
    fn make(&self, request: &mut impl HostRequest) -> Result<(), HostFailed> {
        edit(request, &self.edits)?;
        if self.rechooses_route {
            request.rechoose_route();
        }
        Ok(())
    }
}

pub(super) fn edit(request: &mut impl HostRequest, edits: &[HeaderEdit<'_>]) -> Result<(), HostFailed> {
    edits.iter().try_for_each(|edit| match edit {
        HeaderEdit::Remove(name) => request.remove_header(name),
        HeaderEdit::Replace(name, value) => request.set_header(name, value),
        HeaderEdit::Add(name, value) => request.add_header(name, value.as_bytes()),
    })
}

pub(super) fn edits_of(stripped: Vec<Stripped<'_>>) -> Vec<HeaderEdit<'_>> {
    stripped.into_iter().map(HeaderEdit::from).collect()
}
