use super::*;

const KEY: KeyNumber = 7;

fn at(seconds: u64) -> At {
    Duration::from_secs(seconds)
}

/// Changes take 10 s at most, recovery 15 s, and a table of 60 s admits nobody. The key was made at 100 s.
fn model() -> Model {
    let [propagation, recovery, refuse_after, slack] = [10, 15, 60, 1].map(at);
    let mut model = Model::new(Bounds { propagation, recovery, refuse_after, slack });
    model.add(KEY, KeyHistory::made("id".to_owned(), at(100), at(101), None));
    model
}

fn change(model: &mut Model, state: State, sent: u64) {
    let key = model.key(KEY).unwrap();
    key.is_asked(state, at(sent));
    key.is_answered(at(sent + 1));
}

fn asked(edge: Edge, sent: u64) -> Asked {
    Asked { edge, shown: Shown::Key(KEY), sent: at(sent), answered: at(sent) + Duration::from_millis(5) }
}

fn admitted(version: u64) -> Answer {
    let ids = vec!["id".to_owned()];
    Answer::Admitted(Identity { ids, versions: vec![version.to_string()], credentials: Vec::new() })
}

/// What is wrong with this answer of the steady edge to a request with the key at that moment.
fn wrong(model: &mut Model, sent: u64, answer: &Answer) -> Option<&'static str> {
    model.judge(asked(Edge::Steady, sent), answer).err().map(|wrong| wrong.why)
}

const GONE: &str = "admitted by a state that the key does not have any more, or never had";
const GOOD: &str = "401 for a key that is good";

#[test]
fn a_new_key_may_be_unknown_for_as_long_as_a_change_may_take() {
    assert_eq!(wrong(&mut model(), 99, &admitted(0)), Some(GONE), "before it was asked for");
    for sent in [100, 105, 300] {
        assert_eq!(wrong(&mut model(), sent, &admitted(0)), None, "{sent} s");
    }
    assert_eq!(wrong(&mut model(), 111, &Answer::Refused), None);
    assert_eq!(wrong(&mut model(), 112, &Answer::Refused), Some(GOOD));
}

#[test]
fn an_ended_key_may_be_admitted_for_as_long_as_a_change_may_take() {
    let mut model = model();
    change(&mut model, State::Ended, 200);
    for (sent, told) in [(199, None), (200, None), (211, None), (212, Some(GONE)), (900, Some(GONE))] {
        assert_eq!(wrong(&mut model.clone(), sent, &admitted(0)), told, "{sent} s");
    }
    assert_eq!(wrong(&mut model, 199, &Answer::Refused), Some(GOOD), "nobody had asked for it");
    assert_eq!(wrong(&mut model, 201, &Answer::Refused), None);
}

#[test]
fn a_change_without_an_answer_may_or_may_not_be_in_force() {
    let mut model = model();
    model.key(KEY).unwrap().is_asked(State::Ended, at(200));
    assert_eq!(wrong(&mut model.clone(), 900, &admitted(0)), None);
    assert_eq!(wrong(&mut model, 900, &Answer::Refused), None);
}

#[test]
fn what_was_acknowledged_is_in_force_at_once_and_for_ever_at_every_edge() {
    let mut model = model();
    change(&mut model, State::Ended, 200);
    model.connection(Edge::CutOff).begins(at(150));
    model.connection(Edge::CutOff).is_cut(at(150));
    assert!(model.clone().judge(asked(Edge::CutOff, 203), &admitted(0)).is_ok(), "it is cut off");
    model.key(KEY).unwrap().is_acknowledged(at(202));
    for edge in Edge::ALL {
        let told = model.judge(asked(edge, 203), &admitted(0)).unwrap_err();
        assert_eq!(told.why, "admitted by a state that the service said is gone");
        assert!(told.to_string().contains("2. Ended: asked for at 200"), "{told}");
        assert!(model.judge(asked(edge, 202), &admitted(0)).is_ok(), "it was sent before");
    }
}

#[test]
fn an_edge_never_goes_back() {
    let mut model = model();
    change(&mut model, State::Valid { version: 1 }, 200);
    assert_eq!(wrong(&mut model.clone(), 203, &admitted(0)), None);
    assert_eq!(wrong(&mut model, 202, &admitted(1)), None);
    assert_eq!(wrong(&mut model, 203, &admitted(0)), Some(GONE));
    assert!(model.judge(asked(Edge::CutOff, 203), &admitted(0)).is_ok(), "another edge");

    let mut model = self::model();
    change(&mut model, State::Ended, 200);
    assert_eq!(wrong(&mut model, 202, &Answer::Refused), None);
    assert_eq!(wrong(&mut model, 203, &admitted(0)), Some(GONE));
}

#[test]
fn the_upstream_is_told_of_the_key_and_of_nothing_else() {
    let alone = Some("the upstream was not told of this key alone");
    let told = |ids: &[&str], version: &str, credential: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let identity =
            Identity { ids: texts(ids), versions: texts(&[version]), credentials: texts(credential) };
        wrong(&mut model(), 150, &Answer::Admitted(identity))
    };
    assert_eq!(told(&["id"], "0", &[]), None);
    assert_eq!(told(&["other"], "0", &[]), alone);
    assert_eq!(told(&[], "0", &[]), alone);
    assert_eq!(told(&["id", "mallory"], "0", &[]), alone);
    assert_eq!(told(&["id"], "0", &["ApiKey …"]), alone);
    assert_eq!(told(&["id"], "5", &[]), Some(GONE));
}

#[test]
fn who_never_had_a_key_is_never_admitted() {
    for shown in [Shown::Forged, Shown::Nothing] {
        let asked = Asked { shown, ..asked(Edge::Steady, 150) };
        let told = model().judge(asked, &admitted(0)).unwrap_err();
        assert_eq!(told.why, "admitted without a key");
        assert!(model().judge(asked, &Answer::Refused).is_ok());
    }
}

#[test]
fn a_key_is_not_admitted_after_its_end_and_not_refused_before() {
    let mut model = model();
    model.add(KEY, KeyHistory::made("id".to_owned(), at(100), at(101), Some(at(200))));
    assert_eq!(wrong(&mut model, 150, &Answer::Refused), Some(GOOD));
    for sent in [199, 200, 201] {
        assert_eq!(wrong(&mut model, sent, &admitted(0)), None);
        assert_eq!(wrong(&mut model, sent, &Answer::Refused), None);
    }
    assert_eq!(wrong(&mut model, 202, &admitted(0)), Some("admitted after its end"));
}

#[test]
fn an_edge_that_is_cut_off_goes_by_what_it_had_until_that_is_too_old() {
    let mut model = model();
    let connection = model.connection(Edge::Steady);
    connection.begins(at(200));
    connection.is_cut(at(200));
    change(&mut model, State::Ended, 210);
    assert_eq!(wrong(&mut model, 220, &admitted(0)), None);
    assert_eq!(wrong(&mut model, 220, &Answer::Unavailable), Some("503, and the table cannot be too old"));
    assert_eq!(wrong(&mut model, 261, &admitted(0)), None);
    assert_eq!(wrong(&mut model, 262, &admitted(0)), Some("admitted by a table that is too old"));
    assert_eq!(wrong(&mut model, 262, &Answer::Unavailable), None);
    // Trouble is never told as a bad key.
    model.add(KEY, KeyHistory::made("id".to_owned(), at(100), at(101), None));
    assert_eq!(wrong(&mut model, 262, &Answer::Refused), Some(GOOD));
}

#[test]
fn what_no_gate_answers_is_wrong() {
    let told = wrong(&mut model(), 150, &Answer::Other("500".to_owned()));
    assert_eq!(told, Some("no answer that a gate gives"));
}

#[test]
fn the_latest_state_is_told_from_those_before() {
    let mut model = model();
    let shown = asked(Edge::Steady, 300);
    assert!(model.is_latest(shown, &admitted(0)) && !model.is_latest(shown, &Answer::Refused));
    change(&mut model, State::Valid { version: 1 }, 200);
    assert!(model.is_latest(shown, &admitted(1)) && !model.is_latest(shown, &admitted(0)));
    change(&mut model, State::Ended, 210);
    assert!(model.is_latest(shown, &Answer::Refused) && !model.is_latest(shown, &admitted(1)));
    assert!(!model.is_latest(shown, &Answer::Unavailable));
}
