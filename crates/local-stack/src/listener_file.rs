//! A listener that Envoy reads from a file, and again whenever another file is moved into its place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::envoy_config::EnvoyConfig;

const LISTENER_TYPE: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

/// The file of a listener, and what stands in it.
#[derive(Debug)]
pub struct ListenerFile {
    path: PathBuf,
    listener: Value,
    version: u32,
}

impl ListenerFile {
    /// Takes the listener out of the configuration, writes it into a file in `directory`, and lets the
    /// configuration name that.
    ///
    /// # Errors
    ///
    /// When the configuration has no listener, or the file cannot be written.
    pub fn take_out_of(config: &mut EnvoyConfig, directory: &Path) -> Result<Self> {
        let listener = config.listener()?.clone();
        let path = directory.join("listeners.json");
        let bootstrap = config.bootstrap();
        let resources = bootstrap.get_mut("static_resources").and_then(Value::as_object_mut);
        resources.context("no static resources")?.remove("listeners");
        let source = json!({"path_config_source": {"path": path}, "resource_api_version": "V3"});
        let dynamic = json!({"lds_config": source});
        bootstrap.as_object_mut().context("no bootstrap")?.insert("dynamic_resources".to_owned(), dynamic);
        let file = Self { path, listener, version: 0 };
        file.write(&file.listener)?;
        Ok(file)
    }

    /// Replaces the listener by the first one with these edits.
    ///
    /// # Errors
    ///
    /// When an edit fails or the file cannot be written.
    pub fn update(&mut self, edit: impl FnOnce(&mut EnvoyConfig) -> Result<()>) -> Result<()> {
        let mut config = EnvoyConfig::local()?;
        *config.listener()? = self.listener.clone();
        edit(&mut config)?;
        self.version += 1;
        self.write(config.listener()?)
    }

    /// How often it has been replaced.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    fn write(&self, listener: &Value) -> Result<()> {
        let mut resource = EnvoyConfig::part_of_local(listener);
        let fields = resource.as_object_mut().context("a listener is an object")?;
        fields.insert("@type".to_owned(), json!(LISTENER_TYPE));
        let text = json!({"version_info": self.version.to_string(), "resources": [resource]}).to_string();
        let written = self.path.with_extension("json.new");
        fs::write(&written, text)?;
        // Envoy watches for the file to be moved into place.
        Ok(fs::rename(written, &self.path)?)
    }
}
