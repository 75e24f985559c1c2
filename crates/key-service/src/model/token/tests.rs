use super::*;
use crate::randomness::SystemRandomness;
use crate::store::tokens::tests::stored_token;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn refresh_token() -> Token<Refresh> {
    Token::draw(&SystemRandomness).unwrap()
}

#[test]
fn a_token_is_32_letters_of_base64_and_is_read_back() {
    let token = Token::<Access>::draw(&SystemRandomness).unwrap();
    let text = token.expose();
    assert_eq!((text.len(), text.contains('=')), (32, false));
    assert!(Token::<Access>::parse(&text).unwrap().digest() == token.digest());
}

#[test]
fn what_is_no_token_of_this_service_is_not_read() {
    let long = STANDARD.encode([7; TOKEN_RANDOM_LEN + 1]);
    for text in ["", "abc", "dGhpcw==", "a.b.c", long.as_str(), &"-".repeat(32), &"AAAA".repeat(9)] {
        assert!(Token::<Access>::parse(text).is_none(), "{text}");
    }
}

#[test]
fn an_access_token_is_no_refresh_token() {
    let token = refresh_token();
    let same = Token::<Access>::parse(&token.expose()).unwrap();
    assert_ne!(token.digest().as_bytes(), same.digest().as_bytes());
}

#[test]
fn successors_follow_from_seed_and_token_together() {
    let (token, other) = (refresh_token(), refresh_token());
    let (seed, other_seed) = (SuccessorSeed([1; 32]), SuccessorSeed([2; 32]));
    let shown = |tokens: IssuedTokens| (tokens.access.expose(), tokens.refresh.unwrap().expose());
    let (access, refresh) = shown(token.successors(&seed));
    assert_eq!(shown(token.successors(&seed)), (access.clone(), refresh.clone()));
    assert_ne!(access, refresh);
    assert_ne!(shown(token.successors(&other_seed)).0, access);
    assert_ne!(shown(other.successors(&seed)).0, access);
}

// Elasticsearch, `TokenService#checkTokenDocumentForRefresh`.
#[test]
fn a_refresh_token_is_exchanged_once_in_a_day_and_by_who_asked_for_it() {
    let seed = SuccessorSeed([1; 32]);
    let used = |ago: u64| Some((UnixMillis(NOW.0 - ago), seed));
    let fresh = stored_token(NOW);
    let day = 24 * 60 * 60 * 1_000;
    let mut stranger = fresh.client.clone();
    stranger.realm = "other".to_owned();
    let old = |age: u64| StoredToken { creation: UnixMillis(NOW.0 - age), ..fresh.clone() };
    let dead = StoredToken { refresh_invalidation: Some(NOW), ..fresh.clone() };
    let rows = [
        (fresh.clone(), Ok(Exchange::First)),
        (old(day - 1), Ok(Exchange::First)),
        (old(day), Err(RefreshRefusal::Expired)),
        (dead.clone(), Err(RefreshRefusal::Invalidated)),
        (StoredToken { client: stranger, ..fresh.clone() }, Err(RefreshRefusal::OtherClient)),
        (StoredToken { exchanged: used(30_000), ..fresh.clone() }, Ok(Exchange::Again(seed))),
        (StoredToken { exchanged: used(30_001), ..fresh.clone() }, Err(RefreshRefusal::AlreadyRefreshed)),
        (StoredToken { exchanged: used(0), ..dead }, Err(RefreshRefusal::Invalidated)),
    ];
    for (index, (token, expected)) in rows.into_iter().enumerate() {
        assert_eq!(exchange(&token, &fresh.client, NOW), expected, "row {index}");
    }
}

#[test]
fn an_access_token_ends_at_its_time_or_when_invalidated() {
    let token = stored_token(NOW);
    let at = |moment: u64| refuse_ended(&token, UnixMillis(moment));
    assert_eq!(at(token.access_expiration.0 - 1), Ok(()));
    assert_eq!(at(token.access_expiration.0), Err(TokenRejection::Ended));
    let dead = StoredToken { access_invalidation: Some(NOW), ..token.clone() };
    assert_eq!(refuse_ended(&dead, NOW), Err(TokenRejection::Ended));
    let without_refresh = StoredToken { refresh_invalidation: Some(NOW), ..token };
    assert_eq!(refuse_ended(&without_refresh, NOW), Ok(()), "the other half of the pair");
}

#[test]
fn nothing_secret_is_printed() {
    let tokens = IssuedTokens::draw(&SystemRandomness, true).unwrap();
    let printed = format!("{tokens:?} {:?} {:?}", tokens.access.digest(), SuccessorSeed([1; 32]));
    assert_eq!(printed, "IssuedTokens { access: Token, refresh: Some(Token) } TokenDigest SuccessorSeed");
}
