//! A real Prometheus, with configuration, rule files and data of the test's choice.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::{Process, free_port};
use super::wait::until;

/// A running Prometheus; ends with the test.
pub struct Prometheus {
    process: Process,
    folder: tempfile::TempDir,
    port: u16,
    more: Vec<String>,
}

impl Prometheus {
    /// Starts Prometheus with this configuration. Each `(path, text)` is written beside the configuration
    /// first, so `rule_files` can name it.
    pub fn start(config_yaml: &str, files: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config_yaml, files, &[])
    }

    /// The same with more arguments.
    pub fn start_with(config_yaml: &str, more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config_yaml, &[], more)
    }

    /// SIGTERM, waits until it is gone, and starts it again on its data.
    pub async fn restart(&mut self) {
        self.process.terminate();
        let process = &mut self.process;
        until("prometheus ends after SIGTERM", Duration::from_secs(60), || {
            let ended = process.ended().ok_or_else(|| "still running".to_owned());
            async move { ended }
        })
        .await;
        self.process = spawn(&self.folder, self.port, &self.more);
        self.wait_ready().await;
    }

    /// Starts Prometheus on these samples, written in OpenMetrics with timestamps.
    pub fn with_data(openmetrics: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("samples.om");
        std::fs::write(&input, openmetrics).unwrap();
        let mut promtool = Command::new("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&input).arg(folder.path().join("data"));
        let output = promtool.output().expect("promtool is installed (run `make test-deps`)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::start_in(folder, "global: {}\n", &[], &[])
    }

    fn start_in(folder: tempfile::TempDir, config_yaml: &str, files: &[(&str, &str)], more: &[&str]) -> Self {
        write(folder.path(), "prometheus.yml", config_yaml);
        files.iter().for_each(|(path, text)| write(folder.path(), path, text));
        let (port, more) = (free_port(), more.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>());
        Self { process: spawn(&folder, port, &more), folder, port, more }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until queries are answered.
    pub async fn wait_ready(&self) {
        let log = || std::fs::read_to_string(self.folder.path().join("prometheus.log")).unwrap_or_default();
        until("prometheus is ready", Duration::from_secs(60), || async {
            match http_get(self.port, "/-/ready") {
                Ok((200, _)) => Ok(()),
                Ok((status, _)) => Err(format!("status {status}; {}", log())),
                Err(e) => Err(format!("{e}; {}", log())),
            }
        })
        .await;
    }

    /// The status and JSON of a GET; `path` with a query string.
    pub fn get_json(&self, path: &str) -> (u16, serde_json::Value) {
        let (status, body) = http_get(self.port, path).unwrap();
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}")))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn spawn(folder: &tempfile::TempDir, port: u16, more: &[String]) -> Process {
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--storage.tsdb.retention.time=100y", "--web.enable-lifecycle", "--log.level=warn"])
        .args(more);
    Process::start("prometheus", &mut command, &folder.path().join("prometheus.log"))
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// HTTP/1.0, so that the body ends with the connection.
fn http_get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}
