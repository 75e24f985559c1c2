//! How a run is to be done: everything that a section needs besides its own subject.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::places;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything, in under 20 minutes on two cores.
    Full,
    /// Less of everything, in under 3 minutes.
    Quick,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Bench {
    /// How much is measured.
    pub extent: Extent,
    /// Another build of the filter to measure beside this one.
    pub against: Option<PathBuf>,
    /// Who is compared, by the names of the listeners; everyone if it is empty.
    pub among: Vec<String>,
    directory: PathBuf,
}

impl Extent {
    /// The one or the other.
    #[must_use]
    pub fn choose<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

impl Bench {
    /// A run that leaves its results in `target/bench`.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made, or `against` is no file.
    pub fn new(extent: Extent, against: Option<PathBuf>, among: Vec<String>) -> Result<Self> {
        let directory = places::repository().join("target/bench");
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        if let Some(module) = &against {
            ensure!(module.is_file(), "{} is no file", module.display());
        }
        // Envoy and the services run in directories of their own.
        let against = against.map(|module| module.canonicalize()).transpose()?;
        Ok(Self { extent, against, among, directory })
    }

    /// Where results go, and what is prepared once for several runs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The key service as it is shipped: the release build.
    ///
    /// # Errors
    ///
    /// When it is not built.
    pub fn latchkey(&self) -> Result<PathBuf> {
        let built = places::repository().join("target/release/latchkey");
        ensure!(built.is_file(), "the key service is not built: run `make bench`");
        Ok(built)
    }

    /// The empty filter, as the SDK exports it and as [`Self::trimmed_empty_filter`] has it.
    #[must_use]
    pub fn empty_filter(&self) -> PathBuf {
        self.directory.join("empty-filter.wasm")
    }

    /// The filter that makes the host calls of ours and nothing else.
    #[must_use]
    pub fn calls_filter(&self) -> PathBuf {
        self.directory.join("calls-filter.wasm")
    }

    /// The empty filter without the exports that ours does not have either.
    #[must_use]
    pub fn trimmed_empty_filter(&self) -> PathBuf {
        self.directory.join("empty-filter-trimmed.wasm")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_to_compare_with_must_be_there() {
        assert!(Bench::new(Extent::Quick, Some(PathBuf::from("/no/such/filter.wasm")), Vec::new()).is_err());
        assert_eq!((Extent::Full.choose(1, 2), Extent::Quick.choose(1, 2)), (1, 2));
    }
}
