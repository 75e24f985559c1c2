use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::feed_page::tests::{live_row, record};
use crate::feed_page::{Epoch, WireRow};
use crate::format_limits::{APPLICATION_PRIVILEGES_LEN_MAX, RIGHTS_LEN_MAX};

/// A page with an application, rights and rows, for a follower that has read up to 6.
fn body() -> Value {
    let mut row = live_row();
    row["seq"] = json!(8);
    row["rights"] = json!(1);
    json!({"epoch": "e.2", "version": 2, "cursor": 9, "purged": 0, "total": 1, "more": false, "reset": false,
        "applications": [{"seq": 7, "application": "shop", "privileges": {"read": ["data:read/*"]}}],
        "rights": [{"limited_by": {}}, {"own": {}, "limited_by": {}}],
        "keys": [row, {"seq": 9, "id": "gone", "removed": true}]})
}

fn read(body: &Value) -> Result<FeedPageWithRights, InvalidFeedPage> {
    FeedPageWithRights::parse(body.to_string().as_bytes(), Cursor(6))
}

/// What a reading of the page passes on, in its order.
fn pieces(text: &str) -> (Result<FeedHead, InvalidFeedPage>, Vec<String>) {
    let mut pieces = Vec::new();
    let head = FeedHead::read_parts(text.as_bytes(), Cursor(6), &mut |part| {
        pieces.push(match part {
            WirePart::Application(it) => format!("{} {}", it.application, it.privileges.is_some()),
            WirePart::OpaqueKeyPepper(pepper) => format!("pepper {}", &*pepper.to_base64()),
            WirePart::Rights { index, json } => format!("{index} {}", String::from_utf8_lossy(json)),
            WirePart::Row(WireRow { id, state: WireState::Live(key), .. }) => {
                format!("{id} {:?}", key.rights)
            }
            WirePart::Row(WireRow { id, state: WireState::Removed, .. }) => format!("{id} removed"),
            WirePart::Row(WireRow { id, state: WireState::Unusable, .. }) => format!("{id} unusable"),
        });
        Ok(())
    });
    (head, pieces)
}

/// The fields of a page in the order of the protocol, which `json!` does not keep.
fn in_order(body: &Value) -> String {
    const FIELDS: [&str; 10] =
        ["epoch", "version", "cursor", "purged", "total", "more", "reset", "applications", "rights", "keys"];
    let fields = FIELDS.into_iter().filter_map(|name| Some(format!("\"{name}\":{}", body.get(name)?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

#[test]
fn by_what_opaque_keys_are_found_stands_before_the_rows_in_both_versions() {
    let (pepper, text) =
        (OpaqueKeyPepper::from_bytes([1; 32]), "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    for body in [
        body(),
        json!({"epoch": "e", "cursor": 9, "purged": 0, "total": 0, "more": false, "reset": false, "keys": []}),
    ] {
        let with =
            |value: &str| in_order(&body).replacen('{', &format!("{{\"opaque_key_pepper\":{value},"), 1);
        let (head, told) = pieces(&with(&format!("\"{text}\"")));
        assert_eq!((head.is_ok(), told[0].as_str()), (true, format!("pepper {text}").as_str()));
        for value in
            ["null", "\"\"", "\"AAAA\"", "1", &format!("\"{text}\",\"opaque_key_pepper\":\"{text}\"")]
        {
            assert!(pieces(&with(value)).0.is_err(), "{value}");
        }
        let late = in_order(&body);
        let late = format!("{},\"opaque_key_pepper\":\"{text}\"}}", &late[..late.len() - 1]);
        assert!(pieces(&late).0.is_err(), "a row could name it before");
        let written = FeedPageWithRights::parse(in_order(&body).as_bytes(), Cursor(6)).unwrap();
        let [one, two] = [written.page.to_json_with(Some(&pepper)), written.to_json_with(Some(&pepper))];
        for page in [one.unwrap(), two.unwrap()] {
            assert!(
                String::from_utf8(page).unwrap().contains(&format!(",\"opaque_key_pepper\":\"{text}\","))
            );
        }
    }
}

#[test]
fn a_page_is_written_in_one_form() {
    const TEXT: &str = concat!(
        r#"{"epoch":"e.2","version":2,"cursor":9,"purged":1,"total":2,"more":false,"reset":false,"#,
        r#""applications":[{"seq":5,"application":"shop","privileges":{"read":["data:read/*"]}},"#,
        r#"{"seq":6,"application":"gone","privileges":{}},{"seq":7,"application":"vast","privileges":null}],"#,
        r#""rights":[{"own":{},"limited_by":{}}],"keys":[{"seq":8,"id":"gone","removed":true},"#,
        r#"{"seq":9,"id":"here","salt":"AQEBAQEBAQEBAQEBAQEBAQ==","#,
        r#""digest":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","name":"ci","#,
        r#""owner":{"username":"alice","realm":"native"},"roles":[],"limited_by":["ops"],"rights":0},"#,
        r#"{"seq":10,"id":"long","salt":"AQEBAQEBAQEBAQEBAQEBAQ==","#,
        r#""digest":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","name":"ci","#,
        r#""owner":{"username":"alice","realm":"native"},"roles":[],"limited_by":["ops"],"rights":null}]}"#
    );
    let text = TEXT.replace("\"cursor\":9", "\"cursor\":10");
    let page = FeedPageWithRights::parse(text.as_bytes(), Cursor(4)).unwrap();
    assert_eq!(page.applications[2].privileges, None);
    assert_eq!(page.rights.len(), 1);
    assert_eq!(page.rights[&KeyId::try_from("here").unwrap()], r#"{"own":{},"limited_by":{}}"#);
    assert_eq!(String::from_utf8(page.to_json().unwrap()).unwrap(), text);
}

#[test]
fn applications_and_rights_come_before_the_rows_that_need_them() {
    let (head, pieces) = pieces(&in_order(&body()));
    let head = head.unwrap();
    assert_eq!((head.version, head.epoch.as_str()), (FeedVersion::V2, "e.2"));
    assert_eq!(
        pieces,
        [
            "shop true",
            r#"0 {"limited_by":{}}"#,
            r#"1 {"limited_by":{},"own":{}}"#,
            "k Some(1)",
            "gone removed"
        ]
    );
}

#[test]
fn what_is_missing_or_late_in_version_2_spoils_the_page() {
    for missing in ["applications", "rights", "keys"] {
        let mut body = body();
        body.as_object_mut().unwrap().remove(missing);
        assert!(matches!(pieces(&in_order(&body)).0, Err(InvalidFeedPage::Malformed { .. })), "{missing}");
    }
    let text = in_order(&body());
    let (before, rows) = text.split_once(r#","keys":"#).unwrap();
    let (before, rights) = before.split_once(r#","rights":"#).unwrap();
    let rows = rows.strip_suffix('}').unwrap();
    let late = format!(r#"{before},"keys":{rows},"rights":{rights}}}"#);
    assert!(matches!(pieces(&late).0, Err(InvalidFeedPage::Malformed { .. })));
    let version_last = text.replace(r#""version":2,"#, "").replace("]}", r#"],"version":2}"#);
    assert!(matches!(pieces(&version_last).0, Err(InvalidFeedPage::Malformed { .. })));
    for version in [json!(3), json!(0), json!("2"), Value::Null] {
        let mut body = body();
        body["version"] = version;
        assert!(matches!(pieces(&in_order(&body)).0, Err(InvalidFeedPage::Malformed { .. })));
    }
}

#[test]
fn applications_are_held_to_the_order_of_the_feed() {
    let refused = |applications: Value| {
        let mut body = body();
        body["applications"] = applications;
        pieces(&in_order(&body)).0.unwrap_err().to_string()
    };
    let at = |seq: u64| json!({"seq": seq, "application": "shop", "privileges": {}});
    assert_eq!(refused(json!([at(6)])), "the rows do not ascend");
    assert_eq!(refused(json!([at(8), at(7)])), "the rows do not ascend");
    assert_eq!(refused(json!([at(10)])), "the cursor lies behind the rows");
    let mut reset = body();
    (reset["reset"], reset["keys"], reset["rights"]) = (json!(true), json!([]), json!([]));
    assert!(matches!(pieces(&in_order(&reset)).0, Err(InvalidFeedPage::ResetWithRows)));
    reset["applications"] = json!([]);
    assert!(pieces(&in_order(&reset)).0.unwrap().reset);
}

#[test]
fn rights_that_are_not_there_make_a_row_unusable_and_null_does_not() {
    for (rights, state) in [
        (json!(0), "k Some(0)"),
        (json!(1), "k Some(1)"),
        (Value::Null, "k None"),
        (json!(2), "k unusable"),
        (json!(u64::MAX), "k unusable"),
        (json!("0"), "k unusable"),
        (json!({}), "k unusable"),
    ] {
        let mut body = body();
        body["keys"][0]["rights"] = rights.clone();
        let (head, pieces) = pieces(&in_order(&body));
        assert!(head.is_ok(), "{rights}");
        assert_eq!(pieces[3..], [state, "gone removed"], "{rights}");
    }
}

#[test]
fn what_is_too_long_is_not_passed_on() {
    let mut body = body();
    body["rights"][1] = json!({"limited_by": {"cluster": ["a".repeat(RIGHTS_LEN_MAX)]}});
    body["applications"][0]["privileges"] = json!({"read": ["a".repeat(APPLICATION_PRIVILEGES_LEN_MAX)]});
    let (head, pieces) = pieces(&in_order(&body));
    assert!(head.is_ok());
    assert_eq!(pieces, ["shop false", r#"0 {"limited_by":{}}"#, "k None", "gone removed"]);
}

#[test]
fn a_head_is_seen_before_all_that_is_long() {
    let text = in_order(&body());
    let head = FeedHead::peek(text.as_bytes()).unwrap();
    assert_eq!((head.version, head.cursor), (FeedVersion::V2, Cursor(9)));
    let cut = text.split_once(r#""shop""#).unwrap().0;
    assert_eq!(FeedHead::peek(cut.as_bytes()), Some(head));
}

// A follower of version 1 passes over every field that it does not know.
#[test]
fn a_reader_of_version_1_reads_the_rows_of_version_2() {
    let mut body = body();
    body.as_object_mut().unwrap().remove("version");
    body["keys"][0]["rights"] = json!({"anything": [1]});
    body["applications"] = json!("anything");
    let page = FeedPage::parse(body.to_string().as_bytes(), Cursor(6)).unwrap();
    assert_eq!(page.keys.len(), 2);
    let with_rights = read(&body).unwrap();
    assert_eq!((with_rights.page, with_rights.rights.len()), (page, 0));
}

#[test]
fn a_reader_of_version_2_reads_version_1() {
    let text = r#"{"epoch":"e","cursor":9,"purged":0,"total":0,"more":false,"reset":false,"keys":[{"seq":9,"id":"gone","removed":true}]}"#;
    let (head, pieces) = pieces(text);
    assert_eq!(head.unwrap().version, FeedVersion::V1);
    assert_eq!(pieces, ["gone removed"]);
}

prop_compose! {
    fn page()(
        rows in vec((record(), 0..5_u8), 0..6),
        rights in vec("[a-z*\"]{0,8}", 3),
        applications in vec(("[a-z]{3,6}", prop::option::of(".*")), 0..4),
    ) -> FeedPageWithRights {
        let mut sent = FeedPageWithRights {
            page: FeedPage {
                epoch: Epoch::try_from("e.2".to_owned()).unwrap(),
                cursor: Cursor(20),
                purged: Cursor(1),
                total: 3,
                more: false,
                reset: false,
                ended: false,
                keys: Vec::new(),
            },
            applications: Vec::new(),
            rights: BTreeMap::new(),
        };
        for (seq, (record, kind)) in (1..).map(Cursor).zip(rows) {
            if let Some(text) = rights.get(usize::from(kind)) {
                sent.rights.insert(record.id.clone(), json!({"own": text}).to_string());
            }
            sent.page.keys.push(match kind {
                4 => FeedRow::Removed { seq, id: record.id },
                _ => FeedRow::Live { seq, record: Box::new(record) },
            });
        }
        for (seq, (application, name)) in (1..).map(Cursor).zip(applications) {
            let privileges = name.map(|name| json!({name: ["a:*"]}).to_string());
            sent.applications.push(FeedApplication { seq, application, privileges });
        }
        sent
    }
}

proptest! {
    #[test]
    fn any_page_survives_the_wire(sent in page()) {
        let received = FeedPageWithRights::parse(&sent.to_json().unwrap(), Cursor(0)).unwrap();
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn no_bytes_make_it_panic(cut in 0_usize..2_000, put in vec(any::<u8>(), 0..4)) {
        let mut bytes = in_order(&body()).into_bytes();
        let cut = cut % bytes.len();
        bytes.splice(cut..(cut + put.len()).min(bytes.len()), put);
        let _ = FeedPageWithRights::parse(&bytes, Cursor(6));
        let _ = FeedHead::peek(&bytes);
    }
}
