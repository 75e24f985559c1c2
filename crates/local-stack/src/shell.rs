//! Which shell of the filter is at work: the Wasm filter, or the native module.
//!
//! Configurations are written for the Wasm filter, and translated for the module as the last step. So whatever is
//! tested with one is tested with the other.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::places;

/// Names the shell: `wasm` or `module`.
const SHELL_VARIABLE: &str = "LATCHKEY_SHELL";

/// Where Envoy looks for modules that are named.
const SEARCH_PATH_VARIABLE: &str = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH";

const STRIP_PREFIX: &str = "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix";

const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MODULE_TYPE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";

/// The file of the Wasm filter, by which it is told from the filters of others.
const WASM_FILE: &str = "latchkey-filter.wasm";

/// What Envoy puts before the names of filter state that a Wasm filter sets.
const WASM_STATE: &str = "wasm.latchkey.";

/// One shell of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// In a VM.
    Wasm,
    /// In the process of Envoy.
    Module,
}

impl Shell {
    /// The one that `LATCHKEY_SHELL` names; the Wasm filter unless it says `module`.
    #[must_use]
    pub fn chosen() -> Self {
        if std::env::var(SHELL_VARIABLE).is_ok_and(|shell| shell == "module") {
            Self::Module
        } else {
            Self::Wasm
        }
    }

    /// Looks whether the variable names a shell, if it is set.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub fn check() -> Result<()> {
        let named = std::env::var_os(SHELL_VARIABLE);
        let is_known = named.as_ref().is_none_or(|named| named == "wasm" || named == "module");
        ensure!(is_known, "{SHELL_VARIABLE} is wasm or module, not {named:?}");
        Ok(())
    }

    /// Its name, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Wasm => "the Wasm filter",
            Self::Module => "the native module",
        }
    }

    /// The file that Envoy loads.
    #[must_use]
    pub fn file(self) -> PathBuf {
        match self {
            Self::Wasm => places::filter_module(),
            Self::Module => places::native_module(),
        }
    }

    /// The name of its log in Envoy.
    #[must_use]
    pub fn log_component(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Module => "dynamic_modules",
        }
    }

    /// What Envoy has to be told in its environment.
    #[must_use]
    pub fn environment(self) -> Option<(&'static str, PathBuf)> {
        let directory = || self.file().parent().map(PathBuf::from).unwrap_or_default();
        (self == Self::Module).then(|| (SEARCH_PATH_VARIABLE, directory()))
    }

    /// A configuration of Envoy, or a part of one, for this shell. No module is told the id of Envoy's node, so
    /// the filter is: it is how the key service knows an edge.
    #[must_use]
    pub fn translated(self, config: &Value, node_id: Option<&str>) -> Value {
        match self {
            Self::Wasm => config.clone(),
            Self::Module => {
                let mut translated = for_module(config, node_id);
                if let Some(bootstrap) = translated.as_object_mut().filter(|it| it.contains_key("admin")) {
                    // Without it the metrics have other names for Prometheus than those of the Wasm filter.
                    let layer = json!({"name": "metrics", "static_layer": {STRIP_PREFIX: true}});
                    bootstrap.entry("layered_runtime").or_insert_with(|| json!({"layers": [layer]}));
                }
                translated
            }
        }
    }
}

fn for_module(value: &Value, node_id: Option<&str>) -> Value {
    match value {
        Value::String(text) if text == WASM_TYPE => json!(MODULE_TYPE),
        Value::String(text) => json!(text.replace(WASM_STATE, "latchkey.")),
        Value::Array(values) => values.iter().map(|value| for_module(value, node_id)).collect(),
        Value::Object(object) => match filter_in(value) {
            Some(config) => module_filter(config, node_id),
            None => object.iter().map(|(name, value)| (name.clone(), for_module(value, node_id))).collect(),
        },
        other => other.clone(),
    }
}

/// The configuration of our Wasm filter, if that is what this is.
fn filter_in(value: &Value) -> Option<&Value> {
    let is_wasm = value.get("@type")?.as_str() == Some(WASM_TYPE);
    let config = value.get("config").filter(|_| is_wasm)?;
    let file = config.pointer("/vm_config/code/local/filename")?.as_str()?;
    file.ends_with(WASM_FILE).then_some(config)
}

fn module_filter(config: &Value, node_id: Option<&str>) -> Value {
    let mut filter_config = config.get("configuration").cloned().unwrap_or_default();
    let text = filter_config.get("value").and_then(Value::as_str).map(serde_json::from_str);
    if let (Some(Ok(Value::Object(mut plugin))), Some(node_id)) = (text, node_id)
        && !plugin.contains_key("edge")
        && let Some(value) = filter_config.get_mut("value")
    {
        plugin.insert("edge".to_owned(), json!(node_id));
        *value = json!(Value::Object(plugin).to_string());
    }
    json!({
        "@type": MODULE_TYPE,
        // The names of the Wasm filter's metrics.
        "dynamic_module_config": {"name": "latchkey_filter", "metrics_namespace": "wasmcustom"},
        "filter_name": "latchkey",
        "filter_config": filter_config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_filter_is_translated_and_that_of_others_stays() {
        let wasm = |file: &str| {
            json!({"@type": WASM_TYPE, "config": {
                "vm_config": {"code": {"local": {"filename": file}}},
                "configuration": {"@type": "a text", "value": "{\"a\": 1}"},
            }})
        };
        let log = json!("%FILTER_STATE(wasm.latchkey.owner:PLAIN)%");
        let config = json!([wasm("target/latchkey-filter.wasm"), wasm("other.wasm"), log]);
        assert_eq!(Shell::Wasm.translated(&config, Some("node")), config);
        let translated = Shell::Module.translated(&config, Some("node"));
        assert_eq!(translated[0]["@type"], json!(MODULE_TYPE));
        assert_eq!(translated[0]["filter_config"]["value"], json!("{\"a\":1,\"edge\":\"node\"}"));
        assert_eq!(translated[1]["config"], config[1]["config"]);
        assert_eq!(translated[2], json!("%FILTER_STATE(latchkey.owner:PLAIN)%"));
    }
}
