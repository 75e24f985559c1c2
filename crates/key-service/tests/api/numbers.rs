//! Numbers in metadata: whole ones keep all their digits, others are doubles (Elasticsearch,
//! `AbstractXContentParser#readValueUnsafe`, 9.2).

use serde_json::json;

use crate::service::Service;

const METADATA: &str = r#"{"above":18446744073709551616,"below":-9223372036854775809,"long":1234567890123456789012345678901234567890,"price":1.10,"zero":-0}"#;
const KEPT: &str = r#""metadata":{"above":18446744073709551616,"below":-9223372036854775809,"long":1234567890123456789012345678901234567890,"price":1.1,"zero":0}"#;

#[tokio::test]
async fn a_number_comes_back_with_all_its_digits() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(&format!(r#"{{"name":"n","metadata":{METADATA}}}"#)).await;
    for answer in [
        elastic.get(&format!("/_security/api_key?id={}", made.id)).await,
        elastic.get("/_security/_query/api_key").await,
        elastic.get("/_security/_query/api_key?filter_path=api_keys.metadata").await,
        service.user("feed").get("/_latchkey/feed?wait=0").await,
    ] {
        let text = answer.text.replace('\\', "");
        assert!(text.contains(KEPT.trim_start_matches(r#""metadata":"#)), "{}", answer.text);
    }
    let yaml = elastic.get("/_security/api_key?owner=true&format=yaml").await.text;
    assert!(yaml.contains("above: 18446744073709551616\n"), "{yaml}");
    assert!(yaml.contains("price: 1.1\n"), "{yaml}");
}

#[tokio::test]
async fn a_number_is_found_by_its_digits() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(&format!(r#"{{"name":"n","metadata":{METADATA}}}"#)).await;
    elastic.make(r#"{"name":"near","metadata":{"above":18446744073709551617}}"#).await;
    for (field, value) in [
        ("above", "18446744073709551616"),
        ("above", "\"18446744073709551616\""),
        ("below", "-9223372036854775809"),
        ("price", "1.1"),
        ("zero", "0"),
    ] {
        let query = format!(r#"{{"query":{{"term":{{"metadata.{field}":{value}}}}}}}"#);
        assert_eq!(
            elastic.post("/_security/_query/api_key", &query).await.ids(),
            [made.id.as_str()],
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_same_numbers_are_no_change() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(&format!(r#"{{"name":"n","metadata":{METADATA}}}"#)).await;
    let path = format!("/_security/api_key/{}", made.id);
    let same = METADATA.replace("1.10", "11e-1").replace("-0", "0");
    let one_more = METADATA.replace("18446744073709551616", "18446744073709551617");
    for (metadata, updated) in [(METADATA, false), (&same, false), (&one_more, true), (&one_more, false)] {
        let answer = elastic.put(&path, &format!(r#"{{"metadata":{metadata}}}"#)).await;
        assert_eq!(answer.json(), json!({"updated": updated}), "{metadata}");
    }
}

#[tokio::test]
async fn users_roles_and_application_privileges_keep_digits_too() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let metadata = r#""metadata":{"big":18446744073709551616}"#;
    for (path, body) in [
        ("/_security/user/ann", format!(r#"{{"password":"hunter22","roles":[],{metadata}}}"#)),
        ("/_security/role/r", format!(r#"{{"cluster":["all"],{metadata}}}"#)),
    ] {
        assert_eq!(elastic.put(path, &body).await.status, 200);
        let shown = elastic.get(path).await.text;
        assert!(shown.contains(metadata), "{shown}");
    }
    let privilege = format!(r#"{{"app":{{"read":{{"actions":["data:read"],{metadata}}}}}}}"#);
    assert_eq!(elastic.put("/_security/privilege", &privilege).await.status, 200);
    let shown = elastic.get("/_security/privilege/app").await.text;
    assert!(shown.contains(metadata), "{shown}");
}

#[tokio::test]
async fn a_number_that_is_too_long_or_too_large_is_refused() {
    let service = Service::new().await;
    for (number, reason) in [
        ("9".repeat(1_000), None),
        ("9".repeat(1_001), Some("Number value length (1001) exceeds the maximum allowed (1000)")),
        ("1e400".to_owned(), Some("Numeric value (1e400) out of range")),
    ] {
        let answer = service
            .elastic()
            .post("/_security/api_key", &format!(r#"{{"name":"n","metadata":{{"n":{number}}}}}"#))
            .await;
        match reason {
            None => assert_eq!(answer.status, 200),
            Some(reason) => {
                answer.assert_error(400, "x_content_parse_exception", &format!("[1:29] {reason}"));
            }
        }
    }
}
