use futures_util::FutureExt as _;

use super::*;

fn permits(all: usize, from_one_source: usize) -> ConnectionPermits {
    let uncounted = vec!["192.0.2.128/25".parse().unwrap()];
    ConnectionPermits::new(ConnectionLimits { all, from_one_source, uncounted })
}

fn peer(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 5000)
}

/// The permit that somebody gets at once.
fn at_once(permits: &ConnectionPermits, address: &str) -> Option<Arc<ConnectionPermit>> {
    permits.admit(peer(address)).now_or_never().flatten().map(Arc::new)
}

/// Whether the connection was told to go.
fn is_lost(permit: &ConnectionPermit) -> bool {
    permit.lost().now_or_never().is_some()
}

/// Somebody comes, and those who are told to go do so.
async fn comes(
    permits: &ConnectionPermits,
    address: &str,
    mut others: Vec<Arc<ConnectionPermit>>,
) -> (Option<ConnectionPermit>, Vec<u64>) {
    let admission = permits.admit(peer(address));
    tokio::pin!(admission);
    let mut gone = Vec::new();
    loop {
        if let Some(permit) = admission.as_mut().now_or_never() {
            return (permit, gone);
        }
        let before = others.len();
        others.retain(|permit| {
            let lost = is_lost(permit);
            gone.extend(lost.then_some(permit.number));
            !lost
        });
        if others.len() == before {
            return (None, gone);
        }
    }
}

#[tokio::test]
async fn the_oldest_that_has_asked_nothing_goes_first_then_what_is_idle_for_longest() {
    let permits = permits(4, 4);
    let all: Vec<_> = (1..=4).map(|host| at_once(&permits, &format!("198.51.100.{host}")).unwrap()).collect();
    let busy = all[0].begin_request();
    drop(all[2].begin_request());
    drop(all[1].begin_request());
    let (permit, gone) = comes(&permits, "198.51.100.5", all.clone()).await;
    // All of these hold the table's permits until their last owner goes.
    assert!(permit.is_none());
    assert_eq!(gone, [3], "it was silent");
    drop(busy);
}

#[tokio::test]
async fn whoever_comes_gets_the_place_of_a_silent_one() {
    let permits = permits(2, 2);
    let all: Vec<_> = (1..=2).map(|host| at_once(&permits, &format!("198.51.100.{host}")).unwrap()).collect();
    let busy = all[0].begin_request();
    let (permit, gone) = comes(&permits, "198.51.100.3", all).await;
    assert!(permit.is_some());
    assert_eq!(gone, [1]);
    drop(busy);
}

#[tokio::test]
async fn of_those_that_were_answered_the_one_that_is_idle_for_longest_goes() {
    let permits = permits(2, 2);
    let all: Vec<_> = (1..=2).map(|host| at_once(&permits, &format!("198.51.100.{host}")).unwrap()).collect();
    drop(all[1].begin_request());
    drop(all[0].begin_request());
    assert_eq!(comes(&permits, "198.51.100.3", all).await.1, [1]);
}

// Over HTTP/2 a client that opens no window kept its permit for good.
#[tokio::test]
async fn whoever_reads_nothing_of_an_answer_loses_the_place_after_a_while() {
    let permits = permits(2, 2);
    let all: Vec<_> = (1..=2).map(|host| at_once(&permits, &format!("198.51.100.{host}")).unwrap()).collect();
    let waiting = all[0].begin_request();
    let mut unread = all[1].begin_request();
    unread.begin_sending();
    assert_eq!(comes(&permits, "198.51.100.3", all.clone()).await.1, [0_u64; 0], "it may still be read");
    let later = permits.0.now() + u64::try_from(ANSWER_READ_WAIT_MAX.as_millis()).unwrap();
    assert!(permits.0.table().make_room(later, |_| true));
    assert_eq!(comes(&permits, "198.51.100.3", all).await.1, [1], "the other waits for an answer");
    drop((waiting, unread));
}

#[tokio::test]
async fn nobody_loses_a_place_while_a_request_is_answered() {
    let permits = permits(1, 1);
    let only = at_once(&permits, "198.51.100.1").unwrap();
    let requests = [only.begin_request(), only.begin_request()];
    let waiting = permits.admit(peer("198.51.100.2"));
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    let [first, second] = requests;
    drop(first);
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(!is_lost(&only), "another request goes on");
    drop(second);
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(is_lost(&only), "now it is idle");
    drop(only);
    assert!(waiting.now_or_never().flatten().is_some());
}

// It is told to go, and asks something before it hears of it.
#[tokio::test]
async fn a_request_that_comes_first_keeps_the_place_and_another_connection_goes() {
    let permits = permits(2, 2);
    let all: Vec<_> = (1..=2).map(|host| at_once(&permits, &format!("198.51.100.{host}")).unwrap()).collect();
    let waiting = permits.admit(peer("198.51.100.3"));
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    let busy = all[0].begin_request();
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!((is_lost(&all[0]), is_lost(&all[1])), (false, true));
    drop(busy);
    drop(all);
    assert!(waiting.now_or_never().flatten().is_some());
}

#[tokio::test]
async fn a_source_at_its_limit_loses_its_own_and_takes_none_of_others() {
    let permits = permits(100, 2);
    let other = at_once(&permits, "198.51.100.9").unwrap();
    let own: Vec<_> = (0..2).map(|_| at_once(&permits, "198.51.100.1").unwrap()).collect();
    let (permit, gone) = comes(&permits, "198.51.100.1", own).await;
    assert!(permit.is_some());
    assert_eq!(gone, [1]);
    assert!(!is_lost(&other));
}

#[tokio::test]
async fn a_source_whose_connections_are_all_busy_is_refused() {
    let permits = permits(100, 2);
    let own: Vec<_> = (0..2).map(|_| at_once(&permits, "2001:db8::1").unwrap()).collect();
    let _busy: Vec<_> = own.iter().map(ConnectionPermit::begin_request).collect();
    assert!(permits.admit(peer("2001:db8::ffff")).now_or_never().is_some_and(|permit| permit.is_none()));
    assert!(at_once(&permits, "2001:db8:0:1::1").is_some(), "another network");
}

#[tokio::test]
async fn this_machine_and_trusted_proxies_are_not_counted() {
    let permits = permits(100, 1);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.129"] {
        let held: Vec<_> = (0..10).map(|_| at_once(&permits, address)).collect();
        assert!(held.iter().all(Option::is_some), "{address}");
    }
    let held = at_once(&permits, "192.0.2.1").unwrap();
    let _busy = held.begin_request();
    assert!(at_once(&permits, "192.0.2.1").is_none());
}

#[tokio::test]
async fn what_has_gone_leaves_nothing_behind() {
    let permits = permits(2, 2);
    for _ in 0..10 {
        drop(at_once(&permits, "198.51.100.1").unwrap());
    }
    let table = permits.0.table();
    assert!(table.connections.is_empty() && table.counted.is_empty());
}
