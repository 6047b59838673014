//! HTTP/1.1 over one kept connection, as little of it as the measurements need.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to a server on loopback.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as text, cut for a message.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

impl Http {
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Reply> {
        self.request(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"), &[])
    }

    /// `headers` are whole lines, each with its line end.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Result<Reply> {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n");
        self.request(&head, body)
    }

    fn request(&mut self, head: &str, body: &[u8]) -> Result<Reply> {
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply> {
        let status = self.line()?.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(odd)?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().map_err(Error::other)?,
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let body = if chunked { self.chunks()? } else { self.exactly(length)? };
        Ok(Reply { status, body })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(Error::other("the server closed the connection"));
        }
        Ok(line.trim_end().to_owned())
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).map_err(Error::other)?;
            body.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

fn odd() -> Error {
    Error::other("no HTTP answer")
}
