//! Where the work of requests is done, and the memory that it shares.

use latchkey_budget::SharedMemory;

use crate::lane::{Lane, LaneBounds};
use crate::limits::work_limits::{
    BODY_MEMORY, BODY_MEMORY_PER_PRINCIPAL, QUESTION_ALLOWANCE, QUESTIONS_MAX, QUESTIONS_PER_PRINCIPAL_MAX,
    SEARCH_ALLOWANCE, SEARCHES_MAX, SEARCHES_PER_PRINCIPAL_MAX,
};

/// Where work of requests is done, and the memory that its answers share.
pub(crate) struct Workshop {
    /// Searches and listings: they hold a connection to the store.
    pub(crate) searches: Lane,
    /// Questions about privileges, and long bodies.
    pub(crate) questions: Lane,
    pub(crate) memory: SharedMemory,
    /// What long bodies of requests share.
    pub(crate) bodies: SharedMemory,
}

impl Workshop {
    /// One whose answers share so many bytes.
    pub(super) fn new(answer_memory: usize) -> Self {
        let searches = LaneBounds {
            permits_max: SEARCHES_MAX,
            principal_permits_max: SEARCHES_PER_PRINCIPAL_MAX,
            allowance: SEARCH_ALLOWANCE,
        };
        let questions = LaneBounds {
            permits_max: QUESTIONS_MAX,
            principal_permits_max: QUESTIONS_PER_PRINCIPAL_MAX,
            allowance: QUESTION_ALLOWANCE,
        };
        Self {
            searches: Lane::new("search", searches),
            questions: Lane::new("question", questions),
            // Whoever reads nothing of what he asks for leaves a quarter to others.
            memory: SharedMemory::new(answer_memory, answer_memory / 4 * 3),
            bodies: SharedMemory::new(BODY_MEMORY, BODY_MEMORY_PER_PRINCIPAL),
        }
    }
}
