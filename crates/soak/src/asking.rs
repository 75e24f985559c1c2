//! Requests at an edge, each answer of which is judged.

use std::net::SocketAddr;

use anyhow::Result;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::http::{Request, Response};
use serde_json::Value;

use crate::book::Book;
use crate::deck::Drawn;
use crate::dice::Dice;
use crate::edge_process::VERSION_HEADER;
use crate::limits::REQUESTS_PER_CONNECTION;
use crate::model::edge::Edge;
use crate::model::{Answer, Asked, Identity};
use crate::pace::Pace;

/// What a client says of itself, and the upstream must not read.
const FORGED_ID: &str = "mallory";

/// Somebody who asks an edge.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    book: &'a Book,
    edge: Edge,
    address: SocketAddr,
    connection: Option<Http1Connection>,
    asked_on_it: u32,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(book: &'a Book, edge: Edge, address: SocketAddr) -> Self {
        Self { book, edge, address, connection: None, asked_on_it: 0 }
    }

    /// Asks until the run ends.
    pub(crate) fn run(mut self, mut pace: Pace, mut dice: Dice) {
        while !self.book.stops() {
            pace.wait(self.book, 1);
            let drawn = self.book.open().deck.draw(&mut dice);
            self.ask(&drawn);
        }
    }

    /// Asks once, and judges the answer.
    pub(crate) fn ask(&mut self, drawn: &Drawn) -> Answer {
        let request =
            Request::get("/soak").header("x-api-key-id", FORGED_ID).header(VERSION_HEADER, FORGED_ID);
        let request = match &drawn.encoded {
            Some(encoded) => request.api_key(encoded),
            None => request,
        };
        let mut sent = self.book.now();
        let mut answer = self.exchange(&request);
        if answer.is_err() {
            // An open connection ends with the listener that it came by.
            sent = self.book.now();
            answer = self.exchange(&request);
        }
        let answered = self.book.now();
        let answer = answer.map_or_else(|error| Answer::Other(format!("{error:#}")), |answer| read(&answer));
        let asked = Asked { edge: self.edge, shown: drawn.shown, sent, answered };
        self.book.open().judge(asked, &answer);
        answer
    }

    fn exchange(&mut self, request: &Request) -> Result<Response> {
        let kept = self.connection.take().filter(|_| self.asked_on_it < REQUESTS_PER_CONNECTION);
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                self.asked_on_it = 0;
                Http1Connection::open(self.address)?
            }
        };
        let answer = connection.exchange(request)?;
        self.asked_on_it += 1;
        let closes = answer.header("connection").is_some_and(|connection| connection == "close");
        self.connection = Some(connection).filter(|_| !closes);
        Ok(answer)
    }
}

fn read(answer: &Response) -> Answer {
    match answer.status {
        200 => identity(answer).map_or_else(|| Answer::Other(answer.text()), Answer::Admitted),
        401 => Answer::Refused,
        // Envoy answers 503 too, when it does not reach the upstream. That is no answer of the gate.
        503 if answer.header("retry-after").is_some() => Answer::Unavailable,
        status => Answer::Other(format!("{status} {}", answer.text())),
    }
}

/// What the upstream read.
fn identity(answer: &Response) -> Option<Identity> {
    let shown = answer.json().ok()?;
    let headers = shown.get("headers")?.as_array()?;
    let values = |name: &str| {
        let fields = headers.iter().filter(|field| field.get(0).and_then(Value::as_str) == Some(name));
        fields.filter_map(|field| Some(field.get(1)?.as_str()?.to_owned())).collect()
    };
    Some(Identity {
        ids: values("x-api-key-id"),
        versions: values(VERSION_HEADER),
        credentials: values("authorization"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Response { status, headers: headers.collect(), body: body.into(), trailers: Vec::new() }
    }

    #[test]
    fn an_answer_of_the_upstream_is_what_it_read() {
        let body = r#"{"headers": [["x-api-key-id", "a"], ["x-api-key-id", "b"], ["x-soak-version", "3"]]}"#;
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let identity = Identity { ids: texts(&["a", "b"]), versions: texts(&["3"]), credentials: Vec::new() };
        assert_eq!(read(&answer(200, &[], body)), Answer::Admitted(identity));
    }

    #[test]
    fn only_the_gates_own_503_says_that_it_cannot_tell() {
        assert_eq!(read(&answer(503, &[("retry-after", "1")], "")), Answer::Unavailable);
        assert_eq!(read(&answer(503, &[], "no upstream")), Answer::Other("503 no upstream".to_owned()));
        assert_eq!(read(&answer(401, &[], "")), Answer::Refused);
        assert_eq!(read(&answer(200, &[], "junk")), Answer::Other("junk".to_owned()));
    }
}
