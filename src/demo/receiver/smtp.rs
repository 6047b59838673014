//! The mail server: RFC 5321 as far as a sender of ours needs it, no TLS, no login.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Arrival, Desk, Provider, Reaction, Request};

/// RFC 5321, section 4.5.3.1: the longest line of text, with its end.
const LINE: u64 = 1000;
/// The largest message.
const MESSAGE: usize = 1024 * 1024;
/// The most recipients of a message.
const RECIPIENTS: usize = 100;
/// The most sessions at a time; more wait to be accepted.
const SESSIONS: usize = 32;
/// The longest session.
const SESSION: Duration = Duration::from_secs(300);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, desk: Desk) {
    let mut sessions = JoinSet::new();
    loop {
        while sessions.len() >= SESSIONS {
            sessions.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                sessions.spawn(async move {
                    tokio::select! {
                        _broken_or_done = Session::new(stream, desk.clone()).run() => {}
                        () = desk.clock.sleep(SESSION) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the stand-in for a mail server could not accept");
                desk.clock.sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    desk: Desk,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// What the session does next.
enum Next {
    Say(&'static str),
    Data,
    Quit,
}

impl Session {
    fn new(stream: TcpStream, desk: Desk) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, desk, greeted: false, from: None, to: Vec::new() }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.say("220 plimsoll stand-in ready").await?;
        while let Some(line) = self.line().await? {
            match self.command(&line) {
                Next::Say(answer) => self.say(answer).await?,
                Next::Data => self.data().await?,
                Next::Quit => return self.say("221 bye").await,
            }
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> Next {
        let upper = line.to_ascii_uppercase();
        let verb = upper.split(' ').next().unwrap_or_default();
        match verb {
            "EHLO" | "HELO" => {
                self.greeted = true;
                Next::Say("250 plimsoll stand-in")
            }
            "MAIL" if self.greeted && self.from.is_none() => match path(&upper, line, "MAIL FROM:") {
                Some(from) => {
                    self.from = Some(from);
                    Next::Say("250 ok")
                }
                None => Next::Say("501 MAIL FROM:<address>"),
            },
            "RCPT" if self.from.is_some() => match path(&upper, line, "RCPT TO:") {
                Some(to) if self.to.len() < RECIPIENTS => {
                    self.to.push(to);
                    Next::Say("250 ok")
                }
                Some(_) => Next::Say("452 too many recipients"),
                None => Next::Say("501 RCPT TO:<address>"),
            },
            "DATA" if !self.to.is_empty() => Next::Data,
            "MAIL" | "RCPT" | "DATA" => Next::Say("503 not now"),
            "RSET" => {
                self.reset();
                Next::Say("250 ok")
            }
            "NOOP" => Next::Say("250 ok"),
            "QUIT" => Next::Quit,
            _ => Next::Say("502 not implemented"),
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn data(&mut self) -> std::io::Result<()> {
        self.say("354 end with a dot").await?;
        let mut message = Vec::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                let answer = self.receive(message).await;
                self.reset();
                return self.say(answer).await;
            }
            if message.len() + line.len() <= MESSAGE {
                message.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
                message.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    async fn receive(&self, message: Vec<u8>) -> &'static str {
        let headers = HeaderMap::new();
        let request = Request { method: &Method::POST, headers: &headers, body: &message };
        let checked = self.desk.check(Provider::Mail, &request);
        let arrival = Arrival { provider: Provider::Mail, headers, body: Bytes::from(message), checked };
        match self.desk.arrived(&arrival) {
            Reaction::Usual if arrival.checked.is_ok() => "250 ok",
            Reaction::Usual => "554 not in form",
            Reaction::Fail(status, _) if status.is_server_error() || status.as_u16() == 429 => {
                "451 told to fail for now"
            }
            Reaction::Fail(..) => "550 told to fail for good",
            Reaction::Silence => std::future::pending().await,
        }
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await
    }

    /// A line without its end; `None` at the end of the session. Too long a line, one without CR, or one
    /// that is not UTF-8 breaks the session.
    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        if (&mut self.reader).take(LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let line = line.strip_suffix(b"\r\n").ok_or_else(invalid)?;
        Ok(Some(std::str::from_utf8(line).map_err(|_| invalid())?.to_owned()))
    }
}

/// The address between `<` and `>` after the keyword.
fn path(upper: &str, line: &str, keyword: &str) -> Option<String> {
    upper
        .starts_with(keyword)
        .then(|| line.get(keyword.len()..))??
        .split_once('<')?
        .1
        .split_once('>')
        .map(|(a, _)| a.to_owned())
}
