use argon2::PasswordHasher as _;

use super::*;
use crate::randomness::SystemRandomness;

/// A hash that costs next to nothing.
const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs";

fn password(text: &str) -> Password {
    Password::presented(text.as_bytes().to_vec())
}

#[tokio::test]
async fn knows_the_right_password_and_no_other() {
    let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
    let hash = PasswordHash::of(&password("correct horse"), &SystemRandomness).unwrap();
    let stored = PasswordHash::try_from(hash.to_string().as_str()).unwrap();
    assert_eq!(checker.check(Some(&stored), password("correct horse")).await, Ok(true));
    assert_eq!(checker.check(Some(&stored), password("correct hors")).await, Ok(false));
    assert_eq!(checker.check(None, password("correct horse")).await, Ok(false));
}

#[tokio::test]
async fn turns_away_whom_it_has_no_place_for() {
    let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
    let all = u32::try_from(1 + PASSWORDS_WAITING_MAX).unwrap();
    let taken = checker.places.acquire_many(all).await.unwrap();
    assert_eq!(checker.check(None, password("x")).await, Err(Saturated));
    let hashed = checker.hash(password("x"), &SystemRandomness).await;
    assert_eq!(hashed.map(|_| ()), Err(HashRefusal::Saturated));
    drop(taken);
    assert_eq!(checker.check(None, password("x")).await, Ok(false));
}

// Of forty logins at once only as many hold memory as there are threads, and none is left beyond that.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_memory_for_as_many_hashings_as_there_are_threads() {
    const THREADS: usize = 2;
    let checker = PasswordChecker::new(THREADS, &SystemRandomness).unwrap();
    let cheap = PasswordHash::try_from(CHEAP).unwrap();
    for _ in 0..3 {
        let logins = (0..40).map(|_| {
            let (checker, cheap) = (checker.clone(), cheap.clone());
            tokio::spawn(async move { checker.check(Some(&cheap), password("wrong")).await })
        });
        for login in logins.collect::<Vec<_>>() {
            assert_eq!(login.await.unwrap(), Ok(false));
        }
    }
    let made = format!("{:?}", checker.memory);
    assert!(["HashingMemory(1 pieces)", "HashingMemory(2 pieces)"].contains(&made.as_str()), "{made}");
}

// Older hashes still verify, also those with other parameters.
#[tokio::test]
async fn hashes_of_elsewhere_are_verified_by_their_own_parameters() {
    let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
    for (m_cost, t_cost, p_cost, len) in [(8, 1, 1, 32), (64, 3, 2, 16), (20 * 1024, 1, 1, 64)] {
        let params = Params::new(m_cost, t_cost, p_cost, Some(len)).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = hasher.hash_password_with_salt(b"correct horse", b"salt of the tests").unwrap();
        let stored = PasswordHash::try_from(hash.to_string().as_str()).unwrap();
        assert_eq!(checker.check(Some(&stored), password("correct horse")).await, Ok(true));
        assert_eq!(checker.check(Some(&stored), password("wrong")).await, Ok(false));
    }
    let own = checker.hash(password("correct horse"), &SystemRandomness).await.unwrap();
    assert!(argon2::PasswordVerifier::verify_password(&Argon2::default(), b"correct horse", &own.0).is_ok());
}

#[test]
fn refuses_passwords_at_one_past_each_limit() {
    let chosen = |chars: usize| Password::chosen("x".repeat(chars)).map(|_| ());
    assert_eq!(chosen(PASSWORD_CHARS_MIN - 1), Err(InvalidPassword::TooShort));
    assert_eq!(chosen(PASSWORD_CHARS_MIN), Ok(()));
    assert_eq!(chosen(PASSWORD_LEN_MAX), Ok(()));
    assert_eq!(chosen(PASSWORD_LEN_MAX + 1), Err(InvalidPassword::TooLong));
}

#[test]
fn refuses_hashes_that_are_not_argon2id_or_cost_too_much() {
    for text in [
        "",
        "secret",
        "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
        "$argon2id$v=19$m=262145,t=2,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
        "$argon2id$v=19$m=19456,t=17,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
    ] {
        assert_eq!(PasswordHash::try_from(text).map(|_| ()), Err(InvalidPasswordHash), "{text}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let hash = PasswordHash::of(&password("hunter2"), &SystemRandomness).unwrap();
    assert_eq!(format!("{:?} {hash:?}", password("hunter2")), "Password PasswordHash");
}
