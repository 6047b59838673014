//! Starts Python's aiosmtpd, which files what it receives in a maildir, and reads that maildir with Python's
//! own mail parser: neither side of the test is ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::process::{Process, free_port};
use super::wait::until;

/// The system's Python: the package python3-aiosmtpd belongs to it, not to another that comes first in PATH.
const PYTHON: &str = "/usr/bin/python3";

/// A mail server on a loopback port.
pub struct Smtp {
    port: u16,
    folder: tempfile::TempDir,
    process: Option<Process>,
}

/// Reads every mail of a maildir: headers as they are, decoded subject, parts with type and text.
const READ: &str = r#"
import email, email.policy, json, mailbox, sys
out = []
for message in mailbox.Maildir(sys.argv[1], create=False):
    m = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    parts = [{"type": p.get_content_type(), "charset": p.get_content_charset(), "text": p.get_content()}
             for p in m.walk() if not p.is_multipart()]
    headers = [[k, str(v)] for k, v in m.items()]
    out.append({"headers": headers, "type": m.get_content_type(), "parts": parts, "defects": [str(d) for d in m.defects]})
json.dump(out, sys.stdout)
"#;

impl Smtp {
    /// A port for a server that is not there yet.
    pub fn down() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { port: free_port(), folder, process: None }
    }

    /// A running server.
    pub async fn start() -> Self {
        let mut server = Self::down();
        server.up().await;
        server
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn up(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let mut command = Command::new(PYTHON);
        command.args(["-m", "aiosmtpd", "-n", "-l", &address, "-c", "aiosmtpd.handlers.Mailbox"]).arg(self.maildir());
        self.process = Some(Process::start("aiosmtpd", &mut command, &self.folder.path().join("log")));
        until("aiosmtpd", Duration::from_secs(20), || async {
            tokio::net::TcpStream::connect(&address).await.map(drop).map_err(|e| e.to_string())
        })
        .await;
    }

    /// The address as it goes into a channel's settings.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// All mails that have arrived, in no particular order.
    pub fn mails(&self) -> Vec<Mail> {
        if !self.maildir().join("new").exists() {
            return Vec::new();
        }
        let read = Command::new(PYTHON).args(["-c", READ]).arg(Path::new(&self.maildir())).output();
        let read = read.expect("python3 runs");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let all: Vec<Value> = serde_json::from_slice(&read.stdout).expect("JSON");
        all.into_iter().map(Mail).collect()
    }
}

/// A received mail.
#[derive(Debug)]
pub struct Mail(Value);

impl Mail {
    /// The header, which must be there exactly once.
    pub fn header(&self, name: &str) -> String {
        let all: Vec<&str> =
            self.headers().into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].to_owned()
    }

    /// All headers.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let pairs = self.0["headers"].as_array().expect("a list").iter();
        pairs.map(|p| (p[0].as_str().expect("a name"), p[1].as_str().expect("a value"))).collect()
    }

    /// The content type of the whole, then of each part with its charset and text.
    pub fn parts(&self) -> (&str, Vec<(&str, &str, &str)>) {
        let parts = self.0["parts"].as_array().expect("a list").iter();
        let parts = parts.map(|p| {
            let get = |key: &str| p[key].as_str().unwrap_or_default();
            (get("type"), get("charset"), get("text"))
        });
        (self.0["type"].as_str().expect("a type"), parts.collect())
    }

    /// What Python's parser found wrong.
    pub fn defects(&self) -> &[Value] {
        self.0["defects"].as_array().expect("a list")
    }
}
