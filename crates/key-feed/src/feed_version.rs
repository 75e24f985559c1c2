//! The versions of the feed, and how two sides agree on one.
//!
//! A follower says in a request header which version it reads at most. The service answers with the latest
//! that both know. Whoever says nothing gets version 1, and so does a follower of a service that knows no
//! other: it ignores the header, as it would not a parameter.
//!
//! Version 2 has what keys may do. A table that was read from one version lacks, or does not want, what the
//! other has. So an epoch of version 2 ends in `.2`: a follower that comes from the other version names
//! another epoch, and loads anew.

use crate::{Epoch, InvalidEpoch};

/// Request header of the feed in which a follower says which version it reads at most.
pub const FEED_VERSION_HEADER: &str = "x-latchkey-feed-version";

/// What an epoch of version 2 ends in.
const SECOND_EPOCH_SUFFIX: &str = ".2";

/// A version of the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedVersion {
    /// Keys.
    #[default]
    V1,
    /// Keys, their rights, and what applications have registered.
    V2,
}

impl FeedVersion {
    /// What the header says, and the field `version` of an answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
        }
    }

    /// The version to answer with when the header holds this. A later follower also reads what is known here;
    /// what is no version is passed over, as by a service that does not know the header.
    #[must_use]
    pub fn asked(header: Option<&[u8]>) -> Self {
        let digits = header.and_then(|value| std::str::from_utf8(value).ok());
        match digits.and_then(|digits| digits.parse::<u32>().ok()) {
            Some(2..) => Self::V2,
            _ => Self::V1,
        }
    }

    /// The version of this number.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// What followers of this version call an epoch of the store.
    ///
    /// # Errors
    ///
    /// [`InvalidEpoch`] when that is too long.
    pub fn told_epoch(self, epoch: &Epoch) -> Result<Epoch, InvalidEpoch> {
        match self {
            Self::V1 => Ok(epoch.clone()),
            Self::V2 => Epoch::try_from([epoch.as_str(), SECOND_EPOCH_SUFFIX].concat()),
        }
    }

    /// The epoch of the store that a follower means, and the version in which it has read it.
    ///
    /// # Errors
    ///
    /// [`InvalidEpoch`] when there is nothing before the suffix.
    pub fn of_told_epoch(told: &Epoch) -> Result<(Self, Epoch), InvalidEpoch> {
        match told.as_str().strip_suffix(SECOND_EPOCH_SUFFIX) {
            Some(epoch) => Ok((Self::V2, Epoch::try_from(epoch.to_owned())?)),
            None => Ok((Self::V1, told.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(text: &str) -> Epoch {
        Epoch::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_follower_gets_the_latest_version_that_both_know() {
        for (header, version) in [
            (None, FeedVersion::V1),
            (Some("1"), FeedVersion::V1),
            (Some("2"), FeedVersion::V2),
            (Some("3"), FeedVersion::V2),
            (Some("0"), FeedVersion::V1),
            (Some(""), FeedVersion::V1),
            (Some("2.0"), FeedVersion::V1),
            (Some("-2"), FeedVersion::V1),
        ] {
            assert_eq!(FeedVersion::asked(header.map(str::as_bytes)), version, "{header:?}");
        }
    }

    #[test]
    fn each_version_has_a_name_of_its_own_for_an_epoch() {
        for version in [FeedVersion::V1, FeedVersion::V2] {
            let told = version.told_epoch(&epoch("e")).unwrap();
            assert_eq!(FeedVersion::of_told_epoch(&told), Ok((version, epoch("e"))));
        }
        assert_eq!(FeedVersion::V1.told_epoch(&epoch("e")).unwrap().as_str(), "e");
        assert_eq!(FeedVersion::V2.told_epoch(&epoch("e")).unwrap().as_str(), "e.2");
        assert_eq!(FeedVersion::of_told_epoch(&epoch(".2")), Err(InvalidEpoch));
    }
}
