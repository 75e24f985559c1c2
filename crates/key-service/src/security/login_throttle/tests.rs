use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// A moment far from zero, as all real ones are.
const BEGINNING: u64 = 1_767_225_600_000;

/// One failed login comes back in this time, at the rate of these tests.
const INTERVAL_MS: u64 = 6_000;

fn throttle() -> LoginThrottle {
    LoginThrottle::new(FailedLoginRate::try_from(10).unwrap())
}

fn source(address: &str) -> Option<Source> {
    Some(address.parse().unwrap())
}

fn at(millis: u64) -> UnixMillis {
    UnixMillis(BEGINNING + millis)
}

/// A login with a wrong password, if it is checked.
fn fail(throttle: &mut LoginThrottle, source: Option<Source>, now: UnixMillis) -> Result<(), NotNow> {
    throttle.begin(source, now)?;
    throttle.end(source, now, LoginOutcome::Failed);
    Ok(())
}

/// Fails as often as the bucket allows.
fn exhaust(throttle: &mut LoginThrottle, address: &str, now: UnixMillis) {
    for _ in 0..FAILED_LOGINS_BURST {
        assert_eq!(fail(throttle, source(address), now), Ok(()));
    }
}

/// How long until a password would be checked.
fn wait_ms(throttle: &mut LoginThrottle, address: &str, now: UnixMillis) -> u128 {
    match throttle.begin(source(address), now) {
        Ok(()) => {
            throttle.end(source(address), now, LoginOutcome::Harmless);
            0
        }
        Err(NotNow::Refused(refusal)) => refusal.retry_after.as_millis(),
        Err(NotNow::Undecided) => panic!("nothing is undecided here"),
    }
}

#[test]
fn refuses_at_one_past_the_burst_and_admits_again_at_the_rate() {
    let mut throttle = throttle();
    exhaust(&mut throttle, "192.0.2.1", at(0));
    assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(0)), 6_000);
    assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(5_999)), 1);
    assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(6_000)), 0);
    assert_eq!(fail(&mut throttle, source("192.0.2.1"), at(6_000)), Ok(()));
    assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(6_000)), 6_000);
}

#[test]
fn right_passwords_cost_nothing() {
    let mut throttle = throttle();
    for _ in 0..10 * FAILED_LOGINS_BURST {
        assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(0)), 0);
    }
    assert!(throttle.buckets.is_empty());
}

// Otherwise a thousand logins that come at once would all be checked before the first has failed.
#[test]
fn a_login_counts_from_its_beginning() {
    let mut throttle = throttle();
    for _ in 0..FAILED_LOGINS_BURST {
        assert_eq!(throttle.begin(source("192.0.2.1"), at(0)), Ok(()));
    }
    assert_eq!(throttle.begin(source("192.0.2.1"), at(0)), Err(NotNow::Undecided));
    assert_eq!(throttle.begin(source("192.0.2.2"), at(0)), Ok(()));
    throttle.end(source("192.0.2.1"), at(0), LoginOutcome::Harmless);
    assert_eq!(throttle.begin(source("192.0.2.1"), at(0)), Ok(()), "a right password gave back what it took");
    for _ in 0..FAILED_LOGINS_BURST {
        throttle.end(source("192.0.2.1"), at(0), LoginOutcome::Failed);
    }
    assert_eq!(wait_ms(&mut throttle, "192.0.2.1", at(0)), 6_000);
}

#[test]
fn tells_sources_apart_by_ipv4_address_and_by_ipv6_network() {
    for (failing, other, shares) in [
        ("192.0.2.1", "192.0.2.1:443", true),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
    ] {
        let mut throttle = throttle();
        exhaust(&mut throttle, failing, at(0));
        assert_eq!(throttle.begin(source(other), at(0)).is_err(), shares, "{failing} and {other}");
    }
}

#[test]
fn requests_from_nowhere_share_one_bucket() {
    let mut throttle = throttle();
    for _ in 0..FAILED_LOGINS_BURST {
        assert_eq!(fail(&mut throttle, None, at(0)), Ok(()));
    }
    assert!(throttle.begin(None, at(0)).is_err());
    assert_eq!(throttle.begin(source("192.0.2.1"), at(0)), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out_for_longer() {
    let mut throttle = throttle();
    exhaust(&mut throttle, "192.0.2.1", at(365 * 24 * 3_600_000));
    let wait = wait_ms(&mut throttle, "192.0.2.1", at(0));
    assert!(wait <= u128::from(INTERVAL_MS), "{wait}");
}

#[test]
fn remembers_only_so_many_sources_and_the_worst_of_them() {
    let mut throttle = throttle();
    exhaust(&mut throttle, "192.0.2.1", at(0));
    for index in 0..FAILED_LOGIN_SOURCES_MAX + 10 {
        let address = IpAddr::from(u32::try_from(index).unwrap().to_be_bytes());
        fail(&mut throttle, Some(Source { address, port: None }), at(0)).unwrap();
        if index % 1_000 == 0 {
            assert!(throttle.buckets.len() <= FAILED_LOGIN_SOURCES_MAX);
        }
    }
    assert_eq!(throttle.buckets.len(), FAILED_LOGIN_SOURCES_MAX);
    assert!(throttle.begin(source("192.0.2.1"), at(0)).is_err(), "the worst is not forgotten for the others");
    fail(&mut throttle, source("192.0.2.2"), at(7_000)).unwrap();
    assert_eq!(throttle.buckets.len(), 2, "full buckets need no place");
}

#[test]
fn a_rate_is_a_number_of_failed_logins_within_its_limit() {
    for (per_minute, allowed) in [
        (0, false),
        (1, true),
        (FAILED_LOGINS_PER_MINUTE_MAX, true),
        (FAILED_LOGINS_PER_MINUTE_MAX + 1, false),
    ] {
        assert_eq!(FailedLoginRate::try_from(per_minute).is_ok(), allowed, "{per_minute}");
    }
}

proptest! {
    // Whatever happens at which time: in no period do more logins fail than the burst and what comes back in
    // that period.
    #[test]
    fn no_stretch_of_time_has_more_failures_than_burst_and_rate(
        per_minute in 1_u32..=FAILED_LOGINS_PER_MINUTE_MAX,
        pauses in proptest::collection::vec(0_u64..20_000, 1..20),
    ) {
        let mut throttle = LoginThrottle::new(FailedLoginRate::try_from(per_minute).unwrap());
        let mut now = 0;
        let mut failures: Vec<u64> = Vec::new();
        for pause in pauses {
            now += pause;
            // Guesses until it is refused.
            while fail(&mut throttle, source("192.0.2.1"), at(now)).is_ok() {
                failures.push(now);
            }
        }
        for (from, begin) in failures.iter().enumerate() {
            for (to, end) in failures.iter().enumerate().skip(from) {
                let count = (to - from + 1) as u64;
                let allowed = u64::from(FAILED_LOGINS_BURST) + (end - begin) / (60_000 / u64::from(per_minute));
                prop_assert!(count <= allowed, "{count} failures in {} ms", end - begin);
            }
        }
    }

    // A refusal names the wait, and it is neither too short nor too long.
    #[test]
    fn after_the_wait_and_not_before_a_password_is_looked_at(
        per_minute in 1_u32..=600,
        failures in 0_u32..200,
        pause in 0_u64..600_000,
    ) {
        let mut throttle = LoginThrottle::new(FailedLoginRate::try_from(per_minute).unwrap());
        for _ in 0..failures {
            let _ = fail(&mut throttle, source("192.0.2.1"), at(0));
        }
        let now = at(pause);
        if let Err(NotNow::Refused(refusal)) = throttle.begin(source("192.0.2.1"), now) {
            let wait = u64::try_from(refusal.retry_after.as_millis()).unwrap();
            prop_assert!(wait > 0);
            prop_assert!(throttle.begin(source("192.0.2.1"), UnixMillis(now.0 + wait - 1)).is_err());
            prop_assert_eq!(throttle.begin(source("192.0.2.1"), UnixMillis(now.0 + wait)), Ok(()));
        }
    }
}
