//! Headless Chromium, driven through chromedriver (W3C WebDriver over plain HTTP).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::{Process, free_port};
use super::wait::until;

/// How an element is named in WebDriver's JSON (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Without these Chromium talks to the network or needs a sandbox that containers lack.
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser with one window; ends with the test.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Process,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts with a viewport of exactly this size, in CSS pixels.
    pub async fn start(width: u32, height: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let driver = Process::start(
            "chromedriver",
            Command::new("chromedriver").arg(format!("--port={port}")),
            &folder.path().join("chromedriver.log"),
        );
        until("chromedriver listens", Duration::from_secs(20), || async move {
            TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|e| e.to_string())
        })
        .await;
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        // Frames are not presented in a window smaller than the viewport.
        flags.push(format!("--window-size={},{}", width.max(600) + 100, height + 300));
        let metrics = json!({"width": width, "height": height, "pixelRatio": 1.0, "mobile": false, "touch": false});
        let options = json!({"args": flags, "mobileEmulation": {"deviceMetrics": metrics}});
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let started = request(port, "POST", "/session", Some(&capabilities)).await;
        let session = started["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {started}")).into();
        Self { port, session, _driver: driver, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let path = format!("/session/{}{path}", self.session);
        let mut answer = request(self.port, method, &path, body.as_ref()).await;
        assert!(answer["value"]["error"].is_null(), "{method} {path}: {answer}");
        answer["value"].take()
    }

    /// Goes to an address and waits until it has loaded.
    pub async fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(json!({"url": url}))).await;
    }

    /// Goes back in the history.
    pub async fn back(&self) {
        self.ask("POST", "/back", Some(json!({}))).await;
    }

    /// Closes the window.
    pub async fn close(&self) {
        self.ask("DELETE", "/window", None).await;
    }

    /// The value of a function's body (`return …`).
    pub async fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", Some(json!({"script": script, "args": []}))).await
    }

    /// A trusted click on the first element that the selector finds.
    pub async fn click(&self, css: &str) {
        let found = self.ask("POST", "/element", Some(json!({"using": "css selector", "value": css}))).await;
        let element = found[ELEMENT].as_str().expect("an element's id");
        self.ask("POST", &format!("/element/{element}/click"), Some(json!({}))).await;
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", Some(json!({"cmd": command, "params": parameters}))).await
    }

    /// What the browser logged: failed loads, policy violations, uncaught errors.
    pub async fn log(&self) -> Vec<String> {
        let entries = self.ask("POST", "/se/log", Some(json!({"type": "browser"}))).await;
        entries.as_array().unwrap().iter().map(|e| e["message"].to_string()).collect()
    }

    /// The whole page as a PNG.
    pub async fn screenshot(&self, file: &Path) {
        let shot = self.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// One HTTP request to chromedriver, on a connection of its own.
async fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("chromedriver listens");
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    let (_, json) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text}"));
    serde_json::from_str(json).unwrap_or_else(|e| panic!("no JSON ({e}): {json}"))
}
