//! The names of all changes that the audit log keeps, and which of them somebody may have meant.

use strum::VariantNames as _;

use crate::audit::ChangeAction;
use crate::audit::directory_events::DirectoryAction;
use crate::audit::token_events::TokenAction;

/// What is often said for an action of another name.
const SAID_FOR: [(&str, &str); 5] = [
    ("revoke", "invalidate_api_keys"),
    ("revoke_api_key", "invalidate_api_keys"),
    ("revoke_api_keys", "invalidate_api_keys"),
    ("delete_api_key", "invalidate_api_keys"),
    ("delete_api_keys", "invalidate_api_keys"),
];

/// From which likeness on a name may have been meant: two letters that were swapped or left out.
const LIKENESS_MIN: f64 = 0.85;

/// Longest name that is compared with all actions, in bytes.
const COMPARED_LEN_MAX: usize = 64;

/// All names.
pub(crate) fn all() -> impl Iterator<Item = &'static str> + Clone {
    let (of_keys, of_tokens) = (ChangeAction::VARIANTS, TokenAction::VARIANTS);
    of_keys.iter().chain(DirectoryAction::VARIANTS).chain(of_tokens).copied()
}

/// Takes the name of an action.
///
/// # Errors
///
/// What is wrong with it, with the name that may have been meant, or all of them.
pub(crate) fn checked(name: &str) -> Result<&'static str, String> {
    if let Some(known) = all().find(|known| *known == name) {
        return Ok(known);
    }
    Err(match meant(name) {
        Some(known) => format!("there is no action [{name}] -> did you mean [{known}]?"),
        None => {
            let known: Vec<_> = all().collect();
            format!("there is no action [{name}]; known are [{}]", known.join(","))
        }
    })
}

/// The action that a name may stand for.
fn meant(name: &str) -> Option<&'static str> {
    // No action has half as long a name, and comparing takes time.
    if name.len() > COMPARED_LEN_MAX {
        return None;
    }
    let name = name.to_lowercase().replace([' ', '-'], "_");
    let said = SAID_FOR.iter().find(|(said, _)| *said == name).map(|(_, meant)| *meant);
    let begins = || all().find(|known| known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('_')));
    let likeness = |known: &&str| strsim::jaro_winkler(known, &name);
    let like = || all().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let exact = all().find(|known| *known == name);
    exact.or(said).or_else(begins).or_else(|| like().filter(|known| likeness(known) >= LIKENESS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_answered_with_the_one_that_may_have_been_meant() {
        for name in ["create_api_key", "invalidate_api_keys", "put_role", "refresh_token"] {
            assert_eq!(checked(name), Ok(name));
        }
        assert!(all().all(|known| known.len() <= COMPARED_LEN_MAX / 2));
        assert_eq!(meant(&"a".repeat(COMPARED_LEN_MAX + 1)), None);
        for (name, meant) in [
            ("revoke", "invalidate_api_keys"),
            ("invalidate", "invalidate_api_keys"),
            ("invalidate_api_key", "invalidate_api_keys"),
            ("Create API key", "create_api_key"),
            ("create_api_keys", "create_api_key"),
            ("put-rolle", "put_role"),
        ] {
            let told = format!("there is no action [{name}] -> did you mean [{meant}]?");
            assert_eq!(checked(name), Err(told));
        }
        let told = checked("x").unwrap_err();
        assert!(told.starts_with("there is no action [x]; known are [begin_epoch,clone_api_key,"), "{told}");
        assert!(told.contains("put_user,reset_user,create_token"), "{told}");
    }
}
