//! An Envoy that has no Wasm in it says so in words that only its developers know.

use std::path::Path;

/// Whether an Envoy that ended has said, in its log, that it runs no Wasm filter.
pub(crate) fn is_told_in(log: &str) -> bool {
    log.lines().any(|line| {
        // There is the filter, and nothing to run it in: the build of the wheel 1.38.3.
        let lacks_engine = line.contains("Failed to create Wasm VM using");
        // There is not even the filter: Homebrew's build.
        let lacks_filter = line.contains("envoy.extensions.filters.http.wasm.v3.Wasm")
            && ["Didn't find a registered implementation", "could not find @type", "unable to parse"]
                .iter()
                .any(|words| line.to_ascii_lowercase().contains(&words.to_ascii_lowercase()));
        lacks_engine || lacks_filter
    })
}

/// What a person is told of it.
pub(crate) fn told_of(envoy: &Path) -> String {
    format!(
        "{} has no Wasm in it: name another Envoy in ENVOY_PATH, or take the native module (NATIVE=1, Envoy 1.39 and later)",
        envoy.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envoy_without_wasm_is_known_by_its_words_and_no_other_mistake_is_taken_for_it() {
        for words in [
            "[1][warning][wasm] Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it",
            "[1][critical][main] error initializing configuration 'envoy.json': Didn't find a registered implementation for 'latchkey' with type URL: 'envoy.extensions.filters.http.wasm.v3.Wasm'",
            "Unable to parse JSON as proto (INVALID_ARGUMENT: could not find @type 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm')",
        ] {
            assert!(is_told_in(&format!("a line\n{words}\nanother\n")), "{words}");
        }
        for words in [
            "Unable to create Wasm plugin latchkey",
            "cannot bind '127.0.0.1:10000': Address already in use",
            "Didn't find a registered implementation for 'other' with type URL: 'envoy.extensions.other'",
        ] {
            assert!(!is_told_in(words), "{words}");
        }
    }
}
