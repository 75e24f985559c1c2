use std::sync::{Mutex, PoisonError};

use futures_util::future::{ready, select};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use super::*;

/// Records groups, and writes each only when the test allows it.
struct Notebook {
    groups: Mutex<Vec<Vec<Note>>>,
    lets: Semaphore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// Told apart by its number.
    Small(u32),
    /// Goes before others, and is about so many keys.
    Urgent(usize),
    /// About so many keys.
    Large(usize),
    /// Brings so many bytes.
    Long(usize),
    /// Is refused.
    Refused,
    /// Lets the commit of its group fail.
    Failing,
    /// Ends the task that writes its group.
    Panicking,
}

use Note::{Failing, Large, Long, Panicking, Refused, Small, Urgent};

impl Ledger for Arc<Notebook> {
    type Change = Note;
    type Outcome = Note;

    fn keys_of(note: &Note) -> usize {
        if let Large(keys) | Urgent(keys) = note { *keys } else { 1 }
    }

    fn is_urgent(note: &Note) -> bool {
        matches!(note, Urgent(_))
    }

    fn len_of(note: &Note) -> usize {
        if let Long(len) = note { *len } else { 1 }
    }

    async fn write(&self, group: Vec<Note>) -> Result<Vec<Result<Note, StoreError>>, StoreError> {
        self.lets.acquire().await.unwrap().forget();
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).push(group.clone());
        assert!(!group.contains(&Panicking), "as asked");
        if group.contains(&Failing) {
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        Ok(group
            .into_iter()
            .map(|note| if note == Refused { Err(StoreError::IdTaken) } else { Ok(note) })
            .collect())
    }
}

/// A queue, and the ledger behind it.
struct Scene {
    line: GroupCommit<Arc<Notebook>>,
    book: Arc<Notebook>,
}

type Written = JoinHandle<Result<Note, StoreError>>;

impl Scene {
    /// A queue whose first change is being written, while others gather behind it.
    async fn busy() -> (Self, Written) {
        let book = Arc::new(Notebook { groups: Mutex::default(), lets: Semaphore::new(0) });
        let scene = Self { line: GroupCommit::begin(Arc::clone(&book)), book };
        let first = scene.submit(Small(0)).await;
        (scene, first)
    }

    /// Puts a change into the queue. The tests have one thread, so it is there when this returns.
    async fn submit(&self, note: Note) -> Written {
        let line = self.line.clone();
        let written = tokio::spawn(async move { line.write(note).await });
        yield_now().await;
        yield_now().await;
        written
    }

    async fn submit_all(&self, notes: &[Note]) -> Vec<Written> {
        let mut written = Vec::new();
        for note in notes {
            written.push(self.submit(*note).await);
        }
        written
    }

    fn let_groups_be_written(&self) {
        self.book.lets.add_permits(1_000);
    }

    fn groups(&self) -> Vec<Vec<Note>> {
        self.book.groups.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn what_gathers_while_a_group_is_written_is_the_next_group_in_its_order() {
    let (scene, first) = Scene::busy().await;
    let others = scene.submit_all(&[Small(1), Small(2), Small(3)]).await;
    assert!(!first.is_finished() && !others.iter().any(JoinHandle::is_finished), "nothing is written yet");
    scene.let_groups_be_written();
    assert_eq!(first.await.unwrap().unwrap(), Small(0));
    for (number, other) in (1..).zip(others) {
        assert_eq!(other.await.unwrap().unwrap(), Small(number), "each hears of itself");
    }
    assert_eq!(scene.groups(), [vec![Small(0)], vec![Small(1), Small(2), Small(3)]]);
}

#[tokio::test]
async fn a_refused_change_takes_nothing_from_its_neighbours() {
    let (scene, _first) = Scene::busy().await;
    let mut others = scene.submit_all(&[Small(1), Refused, Small(2)]).await.into_iter();
    scene.let_groups_be_written();
    assert_eq!(others.next().unwrap().await.unwrap().unwrap(), Small(1));
    assert!(matches!(others.next().unwrap().await.unwrap(), Err(StoreError::IdTaken)));
    assert_eq!(others.next().unwrap().await.unwrap().unwrap(), Small(2));
}

#[tokio::test]
async fn a_group_that_fails_is_answered_as_failed_and_the_next_goes_on() {
    for trouble in [Failing, Panicking] {
        let (scene, _first) = Scene::busy().await;
        let failed = scene.submit_all(&[Small(1), trouble]).await;
        scene.book.lets.add_permits(2);
        for change in failed {
            let error = change.await.unwrap().unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{trouble:?}: {error:?}");
        }
        let next = scene.submit(Small(2)).await;
        scene.let_groups_be_written();
        assert_eq!(next.await.unwrap().unwrap(), Small(2), "{trouble:?}");
    }
}

#[tokio::test]
async fn each_change_of_a_failed_group_is_told_the_cause() {
    let (scene, _first) = Scene::busy().await;
    let failed = scene.submit_all(&[Small(1), Failing]).await;
    scene.let_groups_be_written();
    for change in failed {
        let error = change.await.unwrap().unwrap_err();
        let cause = error.source().and_then(Error::source).and_then(Error::source);
        assert!(cause.is_some_and(|cause| cause.to_string() == "the disk is full"), "{error:?}");
    }
}

#[tokio::test]
async fn a_change_is_made_when_its_caller_has_gone() {
    let (scene, _first) = Scene::busy().await;
    let caller = Box::pin(scene.line.write(Small(1)));
    // Polled once, then dropped: as when a client hangs up.
    select(caller, ready(())).await;
    let after = scene.submit(Small(2)).await;
    scene.let_groups_be_written();
    after.await.unwrap().unwrap();
    assert_eq!(scene.groups(), [vec![Small(0)], vec![Small(1), Small(2)]]);
}

#[tokio::test]
async fn a_group_ends_where_it_would_grow_too_large_and_nobody_is_passed_over() {
    let (scene, _first) = Scene::busy().await;
    let half = Large(GROUP_KEYS_MAX / 2);
    let endless = Large(usize::MAX);
    let last =
        scene.submit_all(&[Small(1), endless, Small(2), half, half, half, Small(3)]).await.pop().unwrap();
    scene.let_groups_be_written();
    last.await.unwrap().unwrap();
    let expected = [
        vec![Small(0)],
        vec![Small(1)],
        vec![endless],
        vec![Small(2), half],
        vec![half, half],
        vec![Small(3)],
    ];
    assert_eq!(scene.groups(), expected);
}

#[tokio::test]
async fn what_is_urgent_passes_all_others_and_does_not_keep_them_for_ever() {
    let (scene, _first) = Scene::busy().await;
    let (large, urgent) = (Large(GROUP_KEYS_MAX), Urgent(GROUP_KEYS_MAX));
    let mut waiting = scene.submit_all(&[large, large, large]).await;
    waiting.extend(scene.submit_all(&[Urgent(1), urgent, urgent, urgent]).await);
    scene.let_groups_be_written();
    for change in waiting {
        change.await.unwrap().unwrap();
    }
    let expected = [
        vec![Small(0)],
        vec![Urgent(1)],
        vec![large],
        vec![urgent],
        vec![large],
        vec![urgent],
        vec![large],
        vec![urgent],
    ];
    assert_eq!(scene.groups(), expected);
}

#[tokio::test]
async fn a_group_ends_where_it_would_grow_too_long() {
    let (scene, _first) = Scene::busy().await;
    let half = Long(GROUP_LEN_MAX / 2);
    let (whole, endless) = (Long(GROUP_LEN_MAX), Long(usize::MAX));
    let last =
        scene.submit_all(&[half, half, half, half, Small(1), whole, endless, Small(2)]).await.pop().unwrap();
    scene.let_groups_be_written();
    last.await.unwrap().unwrap();
    let expected = [
        vec![Small(0)],
        vec![half, half],
        vec![half, half],
        vec![Small(1)],
        vec![whole],
        vec![endless],
        vec![Small(2)],
    ];
    assert_eq!(scene.groups(), expected);
}

#[tokio::test]
async fn a_full_line_refuses_what_it_has_no_place_for_and_does_the_rest() {
    let (scene, _first) = Scene::busy().await;
    let mut waiting = Vec::new();
    for _ in 0..CHANGES_WAITING_MAX {
        let mut caller = Box::pin(scene.line.write(Small(1)));
        // Polled once: it is in the queue.
        select(&mut caller, ready(())).await;
        waiting.push(caller);
    }
    let refused = scene.line.write(Small(2)).await;
    assert!(matches!(refused, Err(StoreError::TooManyChanges)), "{refused:?}");
    scene.let_groups_be_written();
    for caller in waiting {
        assert_eq!(caller.await.unwrap(), Small(1));
    }
    let groups = scene.groups();
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 1 + CHANGES_WAITING_MAX);
    assert!(groups.iter().all(|group| group.len() <= GROUP_KEYS_MAX && !group.contains(&Small(2))));
}
