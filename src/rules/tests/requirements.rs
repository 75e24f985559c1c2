use crate::rules::{Held, QuestionId, Requirement};
use crate::table::RecordText;

/// The texts of a key.
fn text(wanted: &RecordText) -> Option<&'static str> {
    match wanted {
        RecordText::Roles => Some("reader,b%2Cc"),
        RecordText::LimitedBy => Some(""),
        RecordText::Owner => Some("alice"),
        _ => None,
    }
}

/// The first question is answered yes, the second no, and any other not at all.
fn right(question: QuestionId) -> Held {
    [Held::Yes, Held::No].get(question.0).copied().unwrap_or(Held::Unknown)
}

fn holds(requirement: &Requirement) -> Held {
    requirement.holds(&text, &right)
}

#[test]
fn a_text_is_required_as_one_whole_item() {
    let role = |name| holds(&Requirement::text(RecordText::Roles, name));
    assert_eq!(role("reader"), Held::Yes);
    assert_eq!(role("b,c"), Held::Yes, "a comma inside an item is encoded");
    for name in ["read", "b", "c", "reader,b", "READER", "b%2Cc"] {
        assert_eq!(role(name), Held::No, "{name}");
    }
    assert_eq!(holds(&Requirement::text(RecordText::Owner, "alice")), Held::Yes);
    assert_eq!(holds(&Requirement::text(RecordText::LimitedBy, "ops")), Held::No);
}

#[test]
fn a_text_that_the_record_does_not_have_is_unknown() {
    assert_eq!(holds(&Requirement::text(RecordText::OwnerRealm, "native")), Held::Unknown);
}

#[test]
fn what_nobody_can_tell_decides_only_where_nothing_else_does() {
    let [yes, no, unknown] = [0, 1, 2].map(|number| Requirement::Right(QuestionId(number)));
    let all = |parts: &[&Requirement]| holds(&Requirement::AllOf(parts.iter().copied().cloned().collect()));
    let any = |parts: &[&Requirement]| holds(&Requirement::AnyOf(parts.iter().copied().cloned().collect()));
    assert_eq!(all(&[&yes, &yes]), Held::Yes);
    assert_eq!(all(&[&yes, &no]), Held::No);
    assert_eq!(all(&[&unknown, &no]), Held::No);
    assert_eq!(all(&[&unknown, &yes]), Held::Unknown);
    assert_eq!(any(&[&no, &yes]), Held::Yes);
    assert_eq!(any(&[&unknown, &yes]), Held::Yes);
    assert_eq!(any(&[&no, &no]), Held::No);
    assert_eq!(any(&[&unknown, &no]), Held::Unknown);
    let nested = Requirement::AnyOf(vec![no, Requirement::AllOf(vec![yes, unknown])]);
    assert_eq!(holds(&nested), Held::Unknown);
}
