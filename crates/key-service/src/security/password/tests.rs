use argon2::PasswordHasher as _;
use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};

use super::*;
use crate::limits::authentication_limits::PASSWORD_CHARS_MIN;
use crate::model::password::{InvalidPassword, InvalidPasswordHash, Password, PasswordHash};
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
    assert_eq!(check(&checker, Some(&stored), password("correct horse")).await, Ok(true));
    assert_eq!(check(&checker, Some(&stored), password("correct hors")).await, Ok(false));
    assert_eq!(check(&checker, None, password("correct horse")).await, Ok(false));
}

async fn check(
    checker: &PasswordChecker,
    stored: Option<&PasswordHash>,
    password: Password,
) -> Result<bool, Saturated> {
    checker.login(None, "ann")?.check(stored, password, PasswordCache::default()).await
}

fn maker() -> Principal {
    Principal::new("ann", "native")
}

// Before, one guessing source took all permits, and nobody could log in.
#[tokio::test]
async fn one_source_and_one_username_leave_places_to_others() {
    let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
    let source = |number: usize| Some(format!("192.0.2.{number}").parse().unwrap());
    let share = 1 + PASSWORDS_WAITING_SHARE_MAX;
    let of_one_source: Vec<_> =
        (0..).map_while(|number| checker.login(source(1), &number.to_string()).ok()).collect();
    assert_eq!(of_one_source.len(), share);
    let for_one_user: Vec<_> = (2..).map_while(|number| checker.login(source(number), "ann").ok()).collect();
    assert_eq!(for_one_user.len(), share);
    assert!(checker.login(source(2), "ann").is_err());
    let login = checker.login(source(2), "bob").unwrap();
    assert_eq!(login.check(None, password("x"), PasswordCache::default()).await, Ok(false));
    drop(of_one_source);
    assert!(checker.login(source(1), "bob").is_ok());
}

#[tokio::test]
async fn turns_away_whom_it_has_no_place_for() {
    let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
    let taken: Vec<_> = (0..).map_while(|_| checker.makers.take(&maker())).collect();
    let hashed = checker.hash(password("x"), &maker(), &SystemRandomness).await;
    assert_eq!(hashed.map(|_| ()), Err(HashRefusal::Saturated));
    drop(taken);
    assert!(checker.hash(password("x"), &maker(), &SystemRandomness).await.is_ok());
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
            tokio::spawn(async move { check(&checker, Some(&cheap), password("wrong")).await })
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
        assert_eq!(check(&checker, Some(&stored), password("correct horse")).await, Ok(true));
        assert_eq!(check(&checker, Some(&stored), password("wrong")).await, Ok(false));
    }
    let own = checker.hash(password("correct horse"), &maker(), &SystemRandomness).await.unwrap();
    let own = phc::PasswordHash::new(&own.to_string()).unwrap();
    assert!(argon2::PasswordVerifier::verify_password(&Argon2::default(), b"correct horse", &own).is_ok());
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
