//! Places for forms of log-ins that are being read: so many of all, and so many of one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::{LOGIN_FORMS_AT_ONCE_MAX, LOGIN_FORMS_PER_SOURCE_MAX};

/// How many forms of each network are being read. Those of no network are only counted among all.
#[derive(Debug, Default)]
pub(crate) struct LoginPlaces(Mutex<HashMap<Option<IpAddr>, usize>>);

/// One place, which is given back on drop.
#[derive(Debug)]
pub(crate) struct LoginPlace<'a> {
    places: &'a LoginPlaces,
    network: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoLoginPlace {
    /// The source has as many as it may.
    OfSource,
    /// All are taken.
    OfAll,
}

impl LoginPlaces {
    /// Takes a place for a form of this network.
    ///
    /// # Errors
    ///
    /// [`NoLoginPlace`] when there is none for it.
    pub(crate) fn take(&self, network: Option<IpAddr>) -> Result<LoginPlace<'_>, NoLoginPlace> {
        let mut taken = self.taken();
        let has_its_share = taken.get(&network).is_some_and(|count| *count >= LOGIN_FORMS_PER_SOURCE_MAX);
        if network.is_some() && has_its_share {
            return Err(NoLoginPlace::OfSource);
        }
        if taken.values().sum::<usize>() >= LOGIN_FORMS_AT_ONCE_MAX {
            return Err(NoLoginPlace::OfAll);
        }
        *taken.entry(network).or_default() += 1;
        Ok(LoginPlace { places: self, network })
    }

    /// The counts are whole before anything could panic.
    fn taken(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LoginPlace<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.network) {
            Some(1) | None => drop(taken.remove(&self.network)),
            Some(count) => *count -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_of_places_and_all_sources_no_more_than_there_are() {
        let places = LoginPlaces::default();
        let network = |number: usize| Some(IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()]));
        let sources = LOGIN_FORMS_AT_ONCE_MAX / LOGIN_FORMS_PER_SOURCE_MAX;
        let mut taken: Vec<_> = (0..sources)
            .flat_map(|source| (0..LOGIN_FORMS_PER_SOURCE_MAX).map(move |_| source))
            .map(|source| places.take(network(source)).unwrap())
            .collect();
        assert_eq!(places.take(network(0)).unwrap_err(), NoLoginPlace::OfSource);
        assert_eq!(places.take(network(sources)).unwrap_err(), NoLoginPlace::OfAll);
        assert_eq!(places.take(None).unwrap_err(), NoLoginPlace::OfAll);
        taken.pop();
        assert!(places.take(network(sources)).is_ok(), "a place was given back");
        taken.clear();
        taken.extend((0..LOGIN_FORMS_AT_ONCE_MAX).map(|_| places.take(None).unwrap()));
        assert_eq!(places.take(None).unwrap_err(), NoLoginPlace::OfAll);
        taken.clear();
        assert!(places.taken().is_empty(), "whoever has none is forgotten");
    }
}
