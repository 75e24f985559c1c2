use proptest::prelude::*;

use super::*;

fn read(query: &str) -> Result<FeedRequest, String> {
    FeedRequest::read(&mut QueryText::of_path(query)).map_err(|error| error.to_string())
}

fn written(request: &FeedRequest) -> String {
    let mut path = "/_latchkey/feed".to_owned();
    request.push_query(&mut path);
    path
}

// The texts as older filters send them and older services read them.
#[test]
fn a_request_is_written_as_it_always_was() {
    for text in [
        "/_latchkey/feed?after=0",
        "/_latchkey/feed?after=7&limit=1000&wait=20000ms",
        "/_latchkey/feed?after=7&limit=1000&wait=0ms&edge=e",
        "/_latchkey/feed?after=7&limit=1000&wait=20000ms&edge=edge%201%26after%3D0&\
         instance=0123456789abcdef0123456789abcdef&refuse_after=60000ms&epoch=e%2F1&purged=3",
        "/_latchkey/feed?after=0&limit=1&wait=0ms&edge=e&instance=0123456789abcdef0123456789abcdef&leaving=true",
    ] {
        assert_eq!(written(&read(text).unwrap()), text);
    }
    assert_eq!(read(""), Ok(FeedRequest::default()));
}

#[test]
fn a_parameter_that_means_nothing_is_refused() {
    for (query, problem) in [
        ("?after=-1", "[after] cannot be read"),
        ("?wait=1s", "[wait] cannot be read"),
        ("?leaving=yes", "[leaving] cannot be read"),
        ("?epoch=", "[epoch]: an epoch has 1 to 64 bytes"),
        ("?edge=", "[edge]: the name of an edge has 1 to 256 bytes and no control characters"),
        ("?edge=e&instance=x", "[instance]: an instance is 32 lower-case hexadecimal digits"),
        ("?instance=0123456789abcdef0123456789abcdef", "[instance] needs an [edge]"),
        ("?refuse_after=1ms", "[refuse_after] needs an [edge]"),
        ("?leaving=true", "[leaving] needs an [edge]"),
        ("?edge=e&leaving=true", "[leaving] needs an [instance]"),
    ] {
        assert_eq!(read(query), Err(problem.to_owned()), "{query}");
    }
}

prop_compose! {
    fn edge()(
        name in "[^\\p{Cc}]{1,40}",
        instance in proptest::option::of(any::<[u8; 16]>()),
        refuse_after in proptest::option::of(any::<u64>()),
    ) -> AskingEdge {
        AskingEdge {
            name: EdgeName::try_from(name).unwrap(),
            instance: instance.map(EdgeInstance::from),
            refuse_after: refuse_after.map(Duration::from_millis),
        }
    }
}

proptest! {
    #[test]
    fn any_request_survives_the_wire(
        after: u64,
        limit: Option<u64>,
        wait: Option<u64>,
        edge in proptest::option::of(edge()),
        epoch in proptest::option::of(".{1,16}"),
        purged: Option<u64>,
        is_leaving: bool,
    ) {
        let can_leave = edge.as_ref().is_some_and(|edge| edge.instance.is_some());
        let request = FeedRequest {
            after: Cursor(after),
            limit,
            wait: wait.map(Duration::from_millis),
            edge,
            epoch: epoch.map(|epoch| Epoch::try_from(epoch).unwrap()),
            purged: purged.map(Cursor),
            is_leaving: is_leaving && can_leave,
        };
        prop_assert_eq!(read(&written(&request)), Ok(request));
    }

    #[test]
    fn no_query_makes_it_panic(query: String) {
        let _ = read(&format!("?{query}"));
    }
}
