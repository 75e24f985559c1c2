use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use axum::body::Body;
use http::header::ALLOW;
use http::{Method, Request, StatusCode};
use jsonschema::Validator;
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use super::service::{Answer, Made, PASSWORD, Service};

/// The file with the routes, which the router itself does not tell.
const ROUTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api.rs");

/// The method that no route has, to be told which ones it has.
const NO_METHOD: Method = Method::PATCH;

/// The id in the examples of the document.
const EXAMPLE_ID: &str = "VuaCfGcBCdbkQm-e5aOx";

/// The credential in the examples of the document.
const EXAMPLE_CREDENTIAL: &str = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";

/// Operations whose example is refused: there is nothing behind this service that could do them.
const REFUSED: [&str; 2] = ["createCrossClusterKey", "updateCrossClusterKey"];

/// Operations that look at no parameter.
const CARELESS: [&str; 6] = [
    "createCrossClusterKey",
    "updateCrossClusterKey",
    "showHealth",
    "showLiveness",
    "showMetrics",
    "showReadiness",
];

struct Document(Value);

/// One method of one path.
struct Operation<'a> {
    path: &'a str,
    method: Method,
    text: &'a Value,
    /// With those of the path.
    parameters: Vec<&'a Value>,
}

#[tokio::test]
async fn anybody_may_read_the_document() {
    let service = Service::new().await;
    let answer = service.anonymous().get("/_latchkey/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let info = service.anonymous().get("/_latchkey/openapi.json?filter_path=info.title&pretty").await;
    assert_eq!(info.json(), json!({"info": {"title": "Latchkey key service"}}));
    service.anonymous().get("/_latchkey/openapi.json?zzz").await.assert_error(
        400,
        "illegal_argument_exception",
        "request [/_latchkey/openapi.json] contains unrecognized parameter: [zzz]",
    );
}

#[tokio::test]
async fn the_document_is_openapi() {
    let document = Document::of(&Service::new().await).await;
    oas3::from_json(document.0.to_string()).unwrap();
    let mut ids = BTreeSet::new();
    for operation in document.operations() {
        assert!(ids.insert(operation.id()), "{} is there twice", operation.id());
        let named: BTreeSet<&str> =
            operation.in_place("path").map(|it| it["name"].as_str().unwrap()).collect();
        let braced: BTreeSet<&str> = operation.path.split(['{', '}']).skip(1).step_by(2).collect();
        assert_eq!(named, braced, "{}", operation.id());
    }
    let mut references = Vec::new();
    collect_references(&document.0, &mut references);
    assert!(references.len() > 100);
    let used: BTreeSet<&str> = references.into_iter().collect();
    for reference in &used {
        assert!(document.resolve(reference).is_some(), "{reference} leads nowhere");
    }
    for kind in ["parameters", "responses", "schemas"] {
        for name in document.0["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(reference.as_str()), "nothing uses {reference}");
        }
    }
}

#[tokio::test]
async fn the_document_has_the_routes_of_the_router_and_no_other() {
    let service = Service::new().await;
    let document = Document::of(&service).await;
    let source = fs::read_to_string(ROUTER).unwrap();
    let routes: BTreeSet<&str> =
        source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect();
    let documented: BTreeSet<&str> = document.operations().map(|operation| operation.path).collect();
    assert!(routes.len() > 5);
    assert_eq!(documented, routes);

    let mut methods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for operation in document.operations().filter(|operation| operation.method != Method::HEAD) {
        methods.entry(operation.path).or_default().insert(operation.method.to_string());
    }
    for (path, methods) in methods {
        let request = Request::builder().method(NO_METHOD).uri(path.replace(['{', '}'], ""));
        let answer = service.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.header(ALLOW.as_str()).join(",");
        // The router adds HEAD wherever there is GET.
        let allowed: BTreeSet<String> = allowed
            .split(',')
            .map(|method| method.trim().to_owned())
            .filter(|method| method != "HEAD")
            .collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[tokio::test]
async fn every_operation_takes_the_parameters_of_the_document_and_no_other() {
    let (service, document) = prepared().await;
    for operation in document.operations().filter(|operation| !CARELESS.contains(&operation.id())) {
        let known: Vec<String> = operation
            .in_place("query")
            .filter(|parameter| !matches!(parameter["name"].as_str(), Some("source" | "source_content_type")))
            .map(query_of)
            .collect();
        let answer = operation.send(&service, &known.join("&")).await;
        assert!(!answer.text.contains("unrecognized parameter"), "{}: {}", operation.id(), answer.text);
        if operation.method == Method::HEAD {
            continue;
        }
        let answer = operation.send(&service, "zzz=1").await;
        let complaint = "contains unrecognized parameter: [zzz]";
        assert!(answer.text.contains(complaint), "{}: {}", operation.id(), answer.text);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn every_operation_does_its_example_and_answers_as_the_document_says() {
    let (service, document) = prepared().await;
    let mut operations: Vec<Operation<'_>> = document.operations().collect();
    // What is removed is removed last, and the key that is cloned must still work.
    operations.sort_by_key(|operation| {
        (operation.method == Method::DELETE, operation.id().starts_with("invalidate"), operation.path)
    });
    for operation in operations {
        let id = operation.id();
        if let Some(example) = operation.text.pointer("/requestBody/content/application~1json/example") {
            let schema = &operation.text["requestBody"]["content"]["application/json"]["schema"];
            document.assert_valid(schema, example, id);
        }
        let answer = operation.send(&service, "").await;
        assert_eq!(
            answer.status.is_success(),
            !REFUSED.contains(&id),
            "{id}: {} {}",
            answer.status,
            answer.text
        );
        document.assert_documented(&operation, &answer);
        let anonymous = operation.request("").body(Body::empty()).unwrap();
        let refused = service.send(anonymous).await;
        let is_open = operation.text["security"] == json!([]);
        assert_eq!(refused.status == StatusCode::UNAUTHORIZED, !is_open, "{id}");
        document.assert_documented(&operation, &refused);
    }
}

/// A service in which the examples of the document make sense, and the document with a key that is there.
async fn prepared() -> (Service, Document) {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    let service = Service::with(ServiceSettings { tokens, ..ServiceSettings::default() }).await;
    let elastic = service.elastic();
    let made: Made = elastic.make(r#"{"name":"ci"}"#).await;
    let alice = format!(r#"{{"password":"{PASSWORD}","roles":["superuser"]}}"#);
    for (path, body) in [("/_security/user/alice", alice.as_str()), ("/_security/role/reader", "{}")] {
        assert_eq!(elastic.put(path, body).await.status, StatusCode::OK);
    }
    let document = Document::of(&service).await.0.to_string();
    let document = document.replace(EXAMPLE_ID, &made.id).replace(EXAMPLE_CREDENTIAL, &made.encoded);
    (service, Document(serde_json::from_str(&document).unwrap()))
}

impl Document {
    async fn of(service: &Service) -> Self {
        Self(service.anonymous().get("/_latchkey/openapi.json").await.json())
    }

    fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(move |(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().filter(|(name, _)| *name != "parameters").map(move |(method, text)| {
                let shared = methods.get("parameters").and_then(Value::as_array);
                let own = text["parameters"].as_array();
                let parameters = shared.into_iter().chain(own).flatten();
                let parameters = parameters.map(|parameter| self.resolved(parameter)).collect();
                Operation { path, method: method.to_uppercase().parse().unwrap(), text, parameters }
            })
        })
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.pointer(reference.strip_prefix('#')?)
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        value["$ref"].as_str().map_or(value, |reference| self.resolve(reference).unwrap())
    }

    /// Asserts that an answer has a status of the document, and a body as the document says.
    #[track_caller]
    fn assert_documented(&self, operation: &Operation<'_>, answer: &Answer) {
        let id = operation.id();
        let responses = &operation.text["responses"];
        let response = responses.get(answer.status.as_str()).or(responses.get("default"));
        let response = self.resolved(response.unwrap_or_else(|| panic!("{id} answers {}", answer.status)));
        if operation.method == Method::HEAD {
            return;
        }
        match response.pointer("/content/application~1json/schema") {
            Some(schema) => self.assert_valid(schema, &answer.json(), id),
            None => assert!(response["content"]["text/plain"].is_object(), "{id}"),
        }
    }

    #[track_caller]
    fn assert_valid(&self, schema: &Value, value: &Value, id: &str) {
        let schema = json!({"allOf": [schema], "components": self.0["components"]});
        let validator = Validator::new(&schema).unwrap();
        let complaints: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{id}: {complaints:?}\n{value}");
    }
}

impl<'a> Operation<'a> {
    fn id(&self) -> &'a str {
        self.text["operationId"].as_str().unwrap()
    }

    fn in_place(&self, place: &str) -> impl Iterator<Item = &'a Value> {
        self.parameters.iter().copied().filter(move |parameter| parameter["in"] == place)
    }

    fn request(&self, query: &str) -> http::request::Builder {
        let mut path = self.path.to_owned();
        for parameter in self.in_place("path") {
            let name = parameter["name"].as_str().unwrap();
            path = path.replace(&format!("{{{name}}}"), parameter["example"].as_str().unwrap());
        }
        Request::builder().method(self.method.clone()).uri(format!("{path}?{query}"))
    }

    /// Its example, by the super-user.
    async fn send(&self, service: &Service, query: &str) -> Answer {
        let request = self.request(query);
        let example = self.text.pointer("/requestBody/content/application~1json/example");
        let body = example.map(Value::to_string);
        let uri = request.uri_ref().unwrap().to_string();
        service.elastic().request(self.method.clone(), &uri, body.as_deref()).await
    }
}

fn query_of(parameter: &Value) -> String {
    let example = &parameter["example"];
    let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
    format!("{}={text}", parameter["name"].as_str().unwrap())
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
