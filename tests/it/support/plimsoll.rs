//! Starts the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Process, free_port};
use super::wait;

/// A running `plimsoll serve` in a folder of its own.
pub struct Plimsoll {
    process: Process,
    folder: PathBuf,
    port: u16,
    env: Vec<(String, String)>,
}

impl Plimsoll {
    /// Starts the service with this configuration (without `listen`) in `folder` and waits until it is ready.
    pub async fn start(folder: &Path, config: &str) -> Self {
        Self::start_with(folder, config, &[]).await
    }

    /// The same with variables in its environment.
    pub async fn start_with(folder: &Path, config: &str, env: &[(&str, &str)]) -> Self {
        let port = free_port();
        std::fs::write(folder.join("plimsoll.yaml"), config).expect("the configuration can be written");
        let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let process = spawn(folder, port, &env);
        let mut service = Self { process, folder: folder.to_owned(), port, env };
        service.wait_ready().await;
        service
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again in the same folder on the same port.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port, &self.env);
        self.wait_ready().await;
    }

    /// What `/readyz` answers: the status, and each check's name, outcome and reason.
    pub async fn readiness(&self) -> (u16, serde_json::Value) {
        let reply = client().get(format!("{}/readyz", self.url())).send().await.expect("a reply");
        (reply.status().as_u16(), reply.json().await.expect("JSON"))
    }

    /// Waits until a check of `/readyz` holds or does not; its reason.
    pub async fn wait_for_check(&self, name: &str, ok: bool) -> String {
        wait::until(&format!("{name} is {ok}"), Duration::from_secs(40), || async {
            let (_, report) = self.readiness().await;
            let check = report["checks"].as_array().and_then(|all| all.iter().find(|c| c["name"] == name)).cloned();
            let check = check.ok_or_else(|| format!("{report}"))?;
            if check["ok"] == ok { Ok(check["reason"].to_string()) } else { Err(format!("{report}")) }
        })
        .await
    }

    /// Posts so many events of a counter, in one body; the status and `Retry-After`.
    pub async fn count(&self, name: &str, events: u64) -> (u16, Option<String>) {
        let line = format!(r#"{{"kind":"counter","name":"{name}","add":1}}"#);
        let body = vec![line; events as usize].join("\n");
        let url = format!("{}/ingest/timings", self.url());
        let request = client().post(url).header("content-type", "application/x-ndjson").body(body);
        let reply = request.send().await.expect("a reply");
        let wait = reply.headers().get("retry-after").and_then(|v| v.to_str().ok()).map(str::to_owned);
        (reply.status().as_u16(), wait)
    }

    /// A query's one number; zero when there is none.
    pub async fn value(&self, expression: &str) -> f64 {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let reply = client().get(format!("{}/api/v1/query?{query}", self.url())).send().await.expect("a reply");
        let answer: serde_json::Value = reply.json().await.expect("JSON");
        let text = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0").to_owned();
        text.parse().expect("a number")
    }
    /// A signal by its name.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// SIGTERM, and the exit status.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        self.process.terminate();
        let process = &mut self.process;
        wait::until("plimsoll ends after SIGTERM", Duration::from_secs(20), || {
            let ended = process.ended().ok_or_else(|| "still running".to_owned());
            async move { ended }
        })
        .await
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("plimsoll.log")).unwrap_or_default()
    }

    async fn wait_ready(&mut self) {
        let url = format!("{}/readyz", self.url());
        let client = client();
        let log = self.folder.join("plimsoll.log");
        wait::until("plimsoll is ready", Duration::from_secs(30), || {
            let (client, url) = (client.clone(), url.clone());
            let log = log.clone();
            async move {
                match client.get(&url).send().await {
                    Ok(reply) if reply.status() == 200 => Ok(()),
                    Ok(reply) => Err(format!("{} {}", reply.status(), reply.text().await.unwrap_or_default())),
                    Err(error) => Err(format!("{error}; log: {}", std::fs::read_to_string(log).unwrap_or_default())),
                }
            }
        })
        .await;
    }
}

fn spawn(folder: &Path, port: u16, env: &[(String, String)]) -> Process {
    // A write beyond a file's largest size fails as on a full disk, instead of ending the process.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_plimsoll")]);
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]).current_dir(folder).env("RUST_LOG", "info");
    command.envs(env.iter().map(|(k, v)| (k, v)));
    Process::start("plimsoll", &mut command, &folder.join("plimsoll.log"))
}

/// Runs the binary to its end in `folder`: exit status, standard output, standard error.
pub fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let output = command.args(arguments).current_dir(folder).output().expect("plimsoll can be started");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// An HTTP client for tests: no proxies, no redirects.
#[expect(clippy::disallowed_methods, reason = "tests talk to what they started themselves")]
pub fn client() -> reqwest::Client {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client can be built")
}
