//! Starts Redis.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::{Process, free_port};
use super::wait;

/// A Redis server on a free port, with its data in a temporary folder.
pub struct Redis {
    folder: tempfile::TempDir,
    process: Process,
    port: u16,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts a server with further arguments (`["--maxmemory", "2mb"]`) and waits until it answers.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let process = spawn(folder.path(), port, &arguments);
        let redis = Self { folder, process, port, arguments };
        redis.wait_ready().await;
        redis
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `redis-cli` prints for a command.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments);
        let output = command.output().expect("redis-cli can be started");
        String::from_utf8(output.stdout).expect("redis-cli prints text")
    }

    /// A field of `INFO`.
    pub fn info(&self, field: &str) -> String {
        let text = self.cli(&["INFO", "everything"]);
        let value = text.lines().find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in {text}")).to_owned()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port; what was not saved is gone.
    pub async fn restart(&mut self) {
        self.process = spawn(self.folder.path(), self.port, &self.arguments);
        self.wait_ready().await;
    }

    /// Sends a signal by its name, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(status.is_ok_and(|s| s.success()), "redis could not be signalled");
    }

    async fn wait_ready(&self) {
        wait::until("redis answers", Duration::from_secs(10), || {
            let answer = self.cli(&["PING"]);
            async move { if answer.trim() == "PONG" { Ok(()) } else { Err(answer) } }
        })
        .await;
    }
}

fn spawn(folder: &Path, port: u16, arguments: &[String]) -> Process {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--dir", &folder.to_string_lossy()]).args(arguments);
    Process::start("redis-server", &mut command, &folder.join("redis.log"))
}
