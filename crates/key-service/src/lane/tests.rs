use std::sync::{Arc, mpsc};

use super::*;
use crate::limits::work_limits::WORK_WAITING_PER_PRINCIPAL_MAX;

const BOUNDS: LaneBounds = LaneBounds {
    permits_max: 2,
    principal_permits_max: 1,
    allowance: Allowance { steps: u64::MAX, bytes: usize::MAX },
};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn lane() -> Arc<Lane> {
    Arc::new(Lane::new("test", BOUNDS))
}

fn principal(name: &str) -> Principal {
    Principal::new(name, "native")
}

/// Work that says when it begins, and then goes on until it is told to end.
fn endless(
    lane: &Arc<Lane>,
    name: &str,
    begun: &mpsc::Sender<String>,
) -> tokio::task::JoinHandle<Result<(), BudgetExceeded>> {
    let (lane, principal, name, begun) = (Arc::clone(lane), principal(name), name.to_owned(), begun.clone());
    tokio::spawn(async move {
        let memory = SharedMemory::new(0, 0);
        let work = move |budget: &mut Budget| {
            begun.send(name).unwrap();
            loop {
                budget.spend(1)?;
                std::thread::yield_now();
            }
        };
        lane.run(&principal, &memory, work, |_| ()).await
    })
}

/// Waits off the threads that serve requests.
async fn next(begun: mpsc::Receiver<String>) -> (String, mpsc::Receiver<String>) {
    tokio::task::spawn_blocking(move || (begun.recv_timeout(PATIENCE).unwrap(), begun)).await.unwrap()
}

#[tokio::test]
async fn a_turn_is_free_once_the_work_has_ended_and_not_when_its_client_goes() {
    let lane = lane();
    let (sender, begun) = mpsc::channel();
    let first = endless(&lane, "ann", &sender);
    let (who, begun) = next(begun).await;
    assert_eq!((who.as_str(), lane.running()), ("ann", 1));
    // Her next piece of work waits for the first, which ends because its client hangs up.
    let second = endless(&lane, "ann", &sender);
    first.abort();
    let (who, begun) = next(begun).await;
    assert_eq!((who.as_str(), lane.running()), ("ann", 1));
    second.abort();
    drop(begun);
}

#[tokio::test]
async fn nobody_stands_behind_all_the_work_of_another() {
    let lane = lane();
    let (sender, begun) = mpsc::channel();
    let of_ann: Vec<_> = (0..10).map(|_| endless(&lane, "ann", &sender)).collect();
    let (_, begun) = next(begun).await;
    let of_bob = endless(&lane, "bob", &sender);
    let (who, begun) = next(begun).await;
    assert_eq!((who.as_str(), lane.running()), ("bob", 2));
    for task in of_ann.iter().chain([&of_bob]) {
        task.abort();
    }
    drop(begun);
}

#[tokio::test]
async fn whoever_finds_no_place_is_refused_at_once() {
    let lane = lane();
    let places: Vec<_> =
        (0..=WORK_WAITING_PER_PRINCIPAL_MAX).map(|_| lane.permits.slot(&principal("ann")).unwrap()).collect();
    let memory = SharedMemory::new(0, 0);
    let (told, cost) = mpsc::channel();
    let tell = move |cost: &Cost| told.send(*cost).unwrap();
    let outcome = lane.run(&principal("ann"), &memory, |_| Ok::<_, BudgetExceeded>(1), tell).await;
    assert_eq!(outcome, Err(BudgetExceeded::Crowded));
    assert_eq!(cost.recv().unwrap().exceeded, Some(BudgetExceeded::Crowded));
    assert_eq!(lane.run(&principal("bob"), &memory, |_| Ok::<_, BudgetExceeded>(2), |_| ()).await, Ok(2));
    drop(places);
    assert_eq!(lane.run(&principal("ann"), &memory, |_| Ok::<_, BudgetExceeded>(3), |_| ()).await, Ok(3));
    assert!(lane.permits.are_idle(), "whoever has nothing to do is forgotten");
}

// The work was told that its client is gone, and its cost was not reported.
#[tokio::test]
async fn work_that_panics_has_failed_and_its_turn_is_free() {
    let lane = lane();
    let memory = SharedMemory::new(0, 0);
    let (told, cost) = mpsc::channel();
    let work = |budget: &mut Budget| -> Result<(), BudgetExceeded> {
        budget.spend(3)?;
        panic!("work that panics")
    };
    let outcome = lane.run(&principal("ann"), &memory, work, move |cost| told.send(*cost).unwrap()).await;
    assert_eq!(outcome, Err(BudgetExceeded::Failed));
    let cost = cost.recv().unwrap();
    assert_eq!((cost.steps, cost.exceeded), (3, Some(BudgetExceeded::Failed)));
    assert_eq!(lane.run(&principal("ann"), &memory, |_| Ok::<_, BudgetExceeded>(1), |_| ()).await, Ok(1));
}

#[tokio::test]
async fn tells_what_work_has_cost() {
    let lane = Lane::new("test", LaneBounds { allowance: Allowance { steps: 5, bytes: 9 }, ..BOUNDS });
    let memory = SharedMemory::new(100_000, 100_000);
    let work = |budget: &mut Budget| {
        budget.hold(9)?;
        budget.spend(3)?;
        budget.spend(3)
    };
    let (told, cost) = mpsc::channel();
    let outcome = lane.run(&principal("ann"), &memory, work, move |cost| told.send(*cost).unwrap()).await;
    let cost = cost.recv().unwrap();
    assert_eq!(outcome, Err(BudgetExceeded::Steps { steps_max: 5 }));
    assert_eq!((cost.steps, cost.bytes, cost.exceeded), (5, 9, Some(BudgetExceeded::Steps { steps_max: 5 })));
    assert_eq!(memory.held(), 0);
}

#[tokio::test]
async fn work_that_takes_too_long_is_told_to_end() {
    let lane = Arc::new(Lane { wait_max: Duration::from_millis(1), ..Lane::new("test", BOUNDS) });
    let (sender, begun) = mpsc::channel();
    let running = endless(&lane, "ann", &sender);
    let (_, begun) = next(begun).await;
    assert_eq!(running.await.unwrap(), Err(BudgetExceeded::Late));
    // Its permit is free, so what comes next runs.
    let after = endless(&lane, "ann", &sender);
    let (_, begun) = next(begun).await;
    after.abort();
    drop(begun);
}
