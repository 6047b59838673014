//! Customers with a browser: headless Chromium, driven over WebDriver, visits the shop again and again.
//!
//! It uses Debian's `chromium` and `chromedriver` where they are installed; without them there are no web
//! vitals in the demonstration, and it says so.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::base::SharedClock;
use crate::egress::EgressError;

use super::http::Http;

/// The pages that are visited, in turn.
const PAGES: [&str; 5] = ["/", "/product/7", "/product/12", "/", "/product/4001"];

/// Why no browser visits.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The driver is not there or would not start.
    #[error("chromedriver could not be started")]
    Start(#[source] std::io::Error),
    /// The driver could not be reached.
    #[error("chromedriver does not answer")]
    Reach(#[from] EgressError),
    /// The driver refused a command.
    #[error("chromedriver refused {command}: {message}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        message: String,
    },
}

/// The browser's driver, ready to be started.
pub struct Visitors {
    /// The program `chromedriver`.
    pub driver: PathBuf,
    /// A free port for it.
    pub port: u16,
    /// A folder for the browser's profile.
    pub folder: PathBuf,
    /// The shop's base URL.
    pub shop: String,
    /// How the driver is reached.
    pub http: Http,
    /// What is waited on.
    pub clock: SharedClock,
}

impl Visitors {
    /// Visits until `stop`. A browser that fails is started anew after a while.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let ended = match self.start() {
                Ok(driver) => {
                    let ended = tokio::select! {
                        () = stop.cancelled() => Ok(()),
                        ended = self.visit() => ended,
                    };
                    self.end(driver).await;
                    ended
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(error = &error as &dyn std::error::Error, "the browser stopped visiting");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(Duration::from_secs(10)) => {}
            }
        }
    }

    async fn visit(&self) -> Result<(), VisitError> {
        let session = self.open_session().await?;
        loop {
            for page in PAGES {
                self.command(&format!("/session/{session}/url"), json!({"url": format!("{}{page}", self.shop)}))
                    .await?;
                self.clock.sleep(Duration::from_millis(900)).await;
                self.buy(&session).await?;
                self.clock.sleep(Duration::from_millis(600)).await;
            }
        }
    }

    /// A driver that is killed leaves its browser running: it is asked to end both, and given a moment.
    async fn end(&self, mut driver: Child) {
        let url = format!("http://127.0.0.1:{}/shutdown", self.port);
        let gone = async {
            let _answer = self.http.get(&url).await;
            let _status = driver.wait().await;
        };
        tokio::select! {
            () = gone => {}
            () = self.clock.sleep(Duration::from_secs(5)) => {}
        }
    }

    fn start(&self) -> Result<Child, VisitError> {
        Command::new(&self.driver)
            .arg(format!("--port={}", self.port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .map_err(VisitError::Start)
    }

    /// Opens the browser; the driver takes a moment to listen.
    async fn open_session(&self) -> Result<String, VisitError> {
        let mut tries = 0;
        loop {
            let opened = self.command("/session", capabilities(&self.folder)).await;
            match opened {
                Ok(value) => return Ok(value["sessionId"].as_str().unwrap_or_default().to_owned()),
                Err(VisitError::Reach(_)) if tries < 40 => tries += 1,
                Err(error) => return Err(error),
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
    }

    /// Clicks the button that computes: an interaction for INP.
    async fn buy(&self, session: &str) -> Result<(), VisitError> {
        let button = json!({"using": "css selector", "value": "#buy"});
        let found = self.command(&format!("/session/{session}/element"), button).await?;
        let element = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str).unwrap_or_default();
        self.command(&format!("/session/{session}/element/{element}/click"), json!({})).await?;
        Ok(())
    }

    async fn command(&self, path: &str, body: Value) -> Result<Value, VisitError> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let reply = self.http.post(&url, "application/json", body.to_string()).await?;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(VisitError::Refused { command: path.to_owned(), message: error.to_owned() }),
            None => Ok(value),
        }
    }
}

/// No network but the pages visited, and a window large enough that frames are presented.
fn capabilities(folder: &Path) -> Value {
    let profile = format!("--user-data-dir={}", folder.display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1000,1000",
        &profile,
    ];
    json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}})
}

/// The first of these programs that is installed.
pub fn find_program(path: &str, names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")]);
    folders.flat_map(|f| names.iter().map(move |n| f.join(n))).find(|p| p.is_file())
}
