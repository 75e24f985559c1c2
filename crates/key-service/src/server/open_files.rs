//! How many connections the process may have: each is an open file, and the system bounds those.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::FILES_KEPT;

/// Raises the limit of open files to the highest that the process may give itself, and tells how many of the
/// connections that are `wanted` fit below it. The log has it when not all do.
#[must_use]
pub fn connections_that_fit(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let files = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    };
    let fitting = fitting(wanted, files);
    if fitting < wanted {
        tracing::warn!(
            files,
            wanted,
            connections = fitting,
            "the limit of open files leaves room for fewer connections than limits.connections: raise it (ulimit -n, LimitNOFILE)"
        );
    }
    fitting
}

/// How many connections fit below a limit of open files; `None` is no limit. One always does: a service that
/// nobody reaches would tell nobody why.
fn fitting(wanted: usize, files: Option<u64>) -> usize {
    let Some(files) = files else { return wanted };
    let left = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(FILES_KEPT);
    wanted.min(left).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_store() {
        for (wanted, files, expected) in [
            (16_384, None, 16_384),
            (16_384, Some(1_048_576), 16_384),
            (16_384, Some(1_024), 1_024 - FILES_KEPT),
            (900, Some(1_024), 900),
            (16_384, Some(20), 1),
        ] {
            assert_eq!(fitting(wanted, files), expected, "{wanted} of {files:?}");
        }
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
        let _ = connections_that_fit(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
