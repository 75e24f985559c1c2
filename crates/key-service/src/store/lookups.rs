//! Finding keys by their ids, as many at once as are asked for.
//!
//! Each look-up is answered by a read that began after it was asked, so it sees every change that was durable
//! by then. While one read is under way, new look-ups gather for the next, which is one statement for all of
//! them. Ten thousand edges that authenticate at the same moment cost a handful of reads.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::limits::KEYS_LOOKED_UP_MAX;
use crate::store::StoreError;
use crate::store::key_entry::KeyEntry;
use crate::store::sql::{SqlStore, key_rows};

/// What is asked and not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookups(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    asked: Vec<Asked>,
    /// Whether a task is reading, and will then read what has gathered.
    is_reading: bool,
}

/// Keys by their ids, or why one is not readable.
type Found = Vec<(String, Result<KeyEntry, StoreError>)>;

#[derive(Debug)]
struct Asked {
    id: String,
    answer: oneshot::Sender<Result<Option<Arc<KeyEntry>>, StoreError>>,
}

impl Lookups {
    pub(super) async fn find(
        &self,
        database: &SqlStore,
        id: &str,
    ) -> Result<Option<Arc<KeyEntry>>, StoreError> {
        if id.contains('\0') {
            // A database may refuse this id, and with it all others of the same statement.
            let found = key_rows::find_all(database, vec![id.to_owned()]).await?.pop();
            return found.map(|(_, key)| key.map(Arc::new)).transpose();
        }
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut gathered = self.gathered();
            gathered.asked.push(Asked { id: id.to_owned(), answer });
            !mem::replace(&mut gathered.is_reading, true)
        };
        if begins {
            tokio::spawn(self.clone().read(database.clone()).in_current_span());
        }
        answered.await.map_err(|gone| StoreError::Unavailable(gone.into()))?
    }

    async fn read(self, database: SqlStore) {
        while let Some(asked) = self.next() {
            let ids: Vec<String> = asked.iter().map(|asked| asked.id.clone()).collect();
            match key_rows::find_all(&database, ids).await {
                // The damage may be in the way of one of them only.
                Err(StoreError::Damaged(_)) if asked.len() > 1 => {
                    for asked in asked {
                        let found = key_rows::find_all(&database, vec![asked.id.clone()]).await;
                        answer(vec![asked], found);
                    }
                }
                found => answer(asked, found),
            }
        }
    }

    /// The look-ups that have gathered; without any the task ends.
    fn next(&self) -> Option<Vec<Asked>> {
        let mut gathered = self.gathered();
        let count = gathered.asked.len().min(KEYS_LOOKED_UP_MAX);
        gathered.is_reading = count > 0;
        gathered.is_reading.then(|| gathered.asked.drain(..count).collect())
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers all look-ups. The receiver is gone, so the answer is not needed.
fn answer(asked: Vec<Asked>, found: Result<Found, StoreError>) {
    match found {
        Ok(found) => {
            let keys: HashMap<String, Result<Arc<KeyEntry>, Arc<StoreError>>> =
                found.into_iter().map(|(id, key)| (id, key.map(Arc::new).map_err(Arc::new))).collect();
            for Asked { id, answer } in asked {
                let key = keys.get(&id).map(|key| key.as_ref().map(Arc::clone)).transpose();
                let _ = answer.send(key.map_err(StoreError::of_shared));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for Asked { answer, .. } in asked {
                let _ = answer.send(Err(StoreError::of_shared(&error)));
            }
        }
    }
}
