//! Which of the kept events somebody wants to see.

use latchkey_key_feed::UnixMillis;

use crate::store::audit_trail::{KeptEvent, NumberRange};

/// What an event must be: it must meet every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventFilter {
    /// Done to this API key or by it.
    pub key: Option<String>,
    /// Done by this user, or by another on this user's behalf.
    pub actor: Option<String>,
    /// One of these; empty is any.
    pub actions: Vec<String>,
    /// Not earlier.
    pub since: Option<UnixMillis>,
    /// Earlier.
    pub until: Option<UnixMillis>,
}

/// Events, by their numbers and by what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedEvents {
    /// What they are.
    pub filter: EventFilter,
    /// Their numbers.
    pub numbers: NumberRange,
    /// How many at most.
    pub count_max: usize,
}

impl EventFilter {
    /// Whether an event is wanted.
    pub(crate) fn matches(&self, event: &KeptEvent) -> bool {
        let is_by = |actor: &String| event.username == *actor || event.run_as.as_ref() == Some(actor);
        self.is_about_key(event)
            && self.actor.as_ref().is_none_or(is_by)
            && (self.actions.is_empty() || self.actions.contains(&event.action))
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }

    /// Whether it meets the condition on the key.
    pub(crate) fn is_about_key(&self, event: &KeptEvent) -> bool {
        self.key.as_ref().is_none_or(|key| event.is_done_to(key) || event.api_key.as_ref() == Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit_trail::event;

    #[test]
    fn changes_are_found_by_key_by_actor_by_action_and_by_time() {
        let all = EventFilter::default;
        let key = |id: &str| EventFilter { key: Some(id.to_owned()), ..all() };
        let actor = |name: &str| EventFilter { actor: Some(name.to_owned()), ..all() };
        let action = |name: &str| EventFilter { actions: vec![name.to_owned()], ..all() };
        let at = event().at;
        let later = UnixMillis(at.0 + 1);
        let since = |at| EventFilter { since: Some(at), ..all() };
        let until = |at| EventFilter { until: Some(at), ..all() };
        for (filter, expected) in [
            (all(), true),
            (key("b"), true),
            (key("c"), false),
            (actor("admin"), true),
            (actor("alice"), true),
            (actor("bob"), false),
            (action("update_api_keys"), true),
            (action("create_api_key"), false),
            (since(at), true),
            (since(later), false),
            (until(later), true),
            (until(at), false),
        ] {
            assert_eq!(filter.matches(&event()), expected, "{filter:?}");
        }
        let by_key = KeptEvent { api_key: Some("k".to_owned()), ..event() };
        assert!(key("k").matches(&by_key));
    }

    #[test]
    fn who_may_see_one_key_sees_nothing_of_others_and_no_address() {
        let narrowed = event().narrowed_to("a");
        assert_eq!(narrowed, KeptEvent { key_ids: vec!["a".to_owned()], source: None, ..event() });
    }
}
