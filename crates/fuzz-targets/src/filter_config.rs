//! The configuration of the filter, and what the metadata of a route asks.
//!
//! What begins with a line break is metadata of a route (so does every message that has any); everything else
//! is a configuration.

use std::sync::OnceLock;

use latchkey_filter::config::Config;
use latchkey_filter::limits::ROUTE_METADATA_LEN_MAX;

use crate::allocation::within;
use crate::json::Json;

/// How many times its bytes a configuration may cost, and what it may cost however short it is.
const COST_PER_BYTE: usize = 256;
const COST_BASE: usize = 64 * 1024;

/// The value that the environment has for every variable.
const VARIABLE: &str = "aWQ6c2VjcmV0";

/// Texts that are values and nothing else are never told.
const SECRET_LEN_MIN: usize = 12;

/// * It is JSON exactly when a second reader says so, and is told as what else otherwise.
/// * Every refusal names a mistake, and no value.
/// * The limits in an accepted configuration fit together.
/// * Memory is in proportion to the bytes.
pub fn filter_config(data: &[u8]) {
    if data.first() == Some(&b'\n') {
        return route_metadata(data);
    }
    let bytes_max = COST_PER_BYTE * data.len() + COST_BASE;
    let parsed = within(bytes_max, || Config::parse(data, |_| Some(VARIABLE.to_owned())));
    let json = Json::read(data);
    match parsed {
        Ok(config) => {
            assert!(!Json::is_malformed(data), "a second reader does not take it");
            if let Some(json) = json {
                assert!(json.fields().is_some() && !json.has_name_twice());
            }
            let limits = config.staleness;
            let service = &config.key_service;
            assert!(limits.stale_after <= limits.refuse_after);
            assert!(limits.stale_after > service.wait + service.fetch_timeout);
            assert!(!service.cluster.is_empty() && service.path.starts_with('/'));
            assert!(config.record_shape().texts().is_sorted());
            let again = Config::parse(data, |_| Some(VARIABLE.to_owned())).expect("it was accepted");
            assert_eq!(again.table_names().table(), config.table_names().table());
        }
        Err(invalid) => {
            assert!(!invalid.problems.is_empty());
            let told = invalid.to_string();
            let is_no_json = told.contains("is not JSON");
            let Some(json) = json else { return };
            assert!(!is_no_json, "a second reader takes it: {told}");
            let names = json.names();
            let is_secret = |text: &&str| {
                text.len() >= SECRET_LEN_MIN
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && !names.iter().any(|name| name.contains(text))
            };
            for secret in json.texts().into_iter().filter(is_secret) {
                assert!(!told.contains(secret), "a value is told: {told}");
            }
        }
    }
}

/// Whatever it is, it asks for more or is refused; and the same bytes ask the same.
fn route_metadata(data: &[u8]) {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let json = br#"{"route_metadata":true,"key_service":{"cluster":"k","credential":{"inline":"aWQ6c2VjcmV0"}},
            "rules":[{"name":"r","match":{"paths":["/a"]},"require":{"all_of":[{"metadata":{"path":"team","value":"x"}},
            {"privilege":{"application":"shop","privilege":"read","resource":"orders"}}]}}]}"#;
        Config::parse(json, |_| None).expect("a configuration")
    });
    let bytes_max = COST_PER_BYTE * data.len() + COST_BASE;
    let asked = within(bytes_max, || config.route_asks(data));
    if let Ok(asked) = &asked {
        assert!(data.len() <= ROUTE_METADATA_LEN_MAX);
        assert_eq!(config.route_asks(data).as_ref(), Ok(asked));
    }
}
