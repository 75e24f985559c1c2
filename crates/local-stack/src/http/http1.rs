//! HTTP/1.1 on a connection of its own, down to the byte: a test may send what no client library would.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{ANSWER_TIMEOUT, AUTHORITY, Fields, Request, Response};

/// Most header fields of an answer. Envoy's own default for a request is 100.
const RESPONSE_FIELDS_MAX: usize = 100;

/// How long a process that is about to end may take to answer, before it is taken for one that hangs.
const SOON: Duration = Duration::from_secs(2);

/// One connection, used for one exchange after another.
#[derive(Debug)]
pub struct Http1Connection {
    stream: TcpStream,
    /// What has arrived and not been read yet.
    arrived: Vec<u8>,
}

impl Http1Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens at `address`.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Self::open_for(address, ANSWER_TIMEOUT)
    }

    /// Connects, and waits only so long for anything.
    ///
    /// # Errors
    ///
    /// When nobody listens at `address`.
    pub fn open_for(address: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream, arrived: Vec::new() })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the answer is not HTTP/1.1.
    pub fn exchange(&mut self, request: &Request) -> Result<Response> {
        self.send(&rendered(request))?;
        let response = self.next_answer()?;
        response.search(&request.target)?;
        Ok(response)
    }

    /// Sends these bytes, whatever they are.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("sending")
    }

    /// Waits for the next answer, leaving out interim ones.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or what arrives is not HTTP/1.1, or a refusal that shows a secret.
    pub fn receive(&mut self) -> Result<Response> {
        let response = self.next_answer()?;
        response.search("")?;
        Ok(response)
    }

    fn next_answer(&mut self) -> Result<Response> {
        loop {
            let (status, headers) = self.head()?;
            if status >= 200 {
                let (body, trailers) = self.body(status, &headers)?;
                return Ok(Response { status, headers, body, trailers });
            }
        }
    }

    fn head(&mut self) -> Result<(u16, Fields)> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; RESPONSE_FIELDS_MAX];
            let mut head = httparse::Response::new(&mut fields);
            if let httparse::Status::Complete(length) = head.parse(&self.arrived)? {
                let status = head.code.context("an answer without status")?;
                let headers = head
                    .headers
                    .iter()
                    .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                    .collect();
                self.arrived.drain(..length);
                return Ok((status, headers));
            }
            ensure!(self.read_more()? > 0, "the connection was closed before an answer");
        }
    }

    fn body(&mut self, status: u16, headers: &Fields) -> Result<(Vec<u8>, Fields)> {
        if matches!(status, 204 | 304) {
            return Ok((Vec::new(), Fields::new()));
        }
        if super::values(headers, "transfer-encoding").iter().any(|coding| coding == "chunked") {
            return self.chunked();
        }
        if let Some(length) = super::values(headers, "content-length").first() {
            return Ok((self.take(length.parse()?)?, Fields::new()));
        }
        while self.read_more()? > 0 {}
        Ok((std::mem::take(&mut self.arrived), Fields::new()))
    }

    fn chunked(&mut self) -> Result<(Vec<u8>, Fields)> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .with_context(|| format!("not the size of a chunk: {line}"))?;
            if size == 0 {
                return Ok((body, self.trailers()?));
            }
            body.append(&mut self.take(size)?);
            ensure!(self.line()?.is_empty(), "a chunk is longer than it says");
        }
    }

    fn trailers(&mut self) -> Result<Fields> {
        let mut trailers = Fields::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(trailers);
            }
            let Some((name, value)) = line.split_once(':') else { bail!("not a trailer: {line}") };
            trailers.push((name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.arrived.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.take(end)?;
                self.take(2)?;
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            ensure!(self.read_more()? > 0, "the connection was closed within a line");
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.arrived.len() < length {
            ensure!(self.read_more()? > 0, "the connection was closed within a body");
        }
        Ok(self.arrived.drain(..length).collect())
    }

    /// How many bytes more have arrived; 0 at the end of the connection.
    fn read_more(&mut self) -> Result<usize> {
        let mut chunk = [0; 16 * 1024];
        // A machine that was stopped for a moment interrupts who waits.
        let length = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.context("waiting for an answer")?,
            }
        };
        self.arrived.extend(chunk.iter().take(length));
        Ok(length)
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
///
/// As [`Http1Connection::open`] and [`Http1Connection::exchange`].
pub fn exchange(address: SocketAddr, request: &Request) -> Result<Response> {
    Http1Connection::open(address)?.exchange(request)
}

/// The body of what is answered soon, by a process that may be gone or hang; nothing otherwise.
pub(crate) fn answer_soon(address: SocketAddr, path: &str) -> Vec<u8> {
    let connection = Http1Connection::open_for(address, SOON);
    let answer = connection.and_then(|mut connection| connection.exchange(&Request::get(path)));
    answer.map(|answer| answer.body).unwrap_or_default()
}

/// The request as it goes over the wire.
#[must_use]
pub fn rendered(request: &Request) -> Vec<u8> {
    let mut bytes =
        format!("{} {} HTTP/1.1\r\nhost: {AUTHORITY}\r\n", request.method, request.target).into_bytes();
    append_fields(&mut bytes, &request.headers);
    if request.trailers.is_empty() {
        if !request.body.is_empty() {
            bytes.extend(format!("content-length: {}\r\n", request.body.len()).as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&request.body);
        return bytes;
    }
    bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
    if !request.body.is_empty() {
        bytes.extend(format!("{:x}\r\n", request.body.len()).as_bytes());
        bytes.extend(&request.body);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    append_fields(&mut bytes, &request.trailers);
    bytes.extend(b"\r\n");
    bytes
}

fn append_fields(bytes: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields {
        bytes.extend(name.as_bytes());
        bytes.extend(b": ");
        bytes.extend(value);
        bytes.extend(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_trailers_is_chunked() {
        let request = Request::new("POST", "/x").header("a", "1").body("body").trailer("t", "2");
        assert_eq!(
            String::from_utf8(rendered(&request)).unwrap(),
            "POST /x HTTP/1.1\r\nhost: edge.test\r\na: 1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nt: 2\r\n\r\n"
        );
    }
}
