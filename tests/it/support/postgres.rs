//! Starts PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Process, free_port};
use super::wait;

/// A PostgreSQL server in a temporary folder: user `postgres`, no password, `fsync` off,
/// `pg_stat_statements` loaded (`CREATE EXTENSION` is the test's).
pub struct Postgres {
    folder: tempfile::TempDir,
    process: Process,
    port: u16,
}

impl Postgres {
    /// Makes a cluster, starts it and waits until it answers.
    pub async fn start() -> Self {
        let folder = new_folder();
        let data = folder.path().join("data");
        run(as_owner("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--data-checksums", "--no-sync", "-D"])
            .arg(&data));
        Self::start_in(folder).await
    }

    /// A standby that streams from this server.
    pub async fn standby(&self) -> Self {
        let folder = new_folder();
        let data = folder.path().join("data");
        let source = format!("host=127.0.0.1 port={} user=postgres application_name=standby", self.port);
        run(as_owner("pg_basebackup")
            .args(["-d", &source, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(&data));
        Self::start_in(folder).await
    }

    async fn start_in(folder: tempfile::TempDir) -> Self {
        let port = free_port();
        let process = spawn(folder.path(), port);
        let server = Self { folder, process, port };
        server.wait_ready().await;
        server
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The same for another role and database.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// What `psql` prints for a statement, without headings.
    pub fn psql(&self, sql: &str) -> String {
        let mut command = Command::new(binary("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql]);
        let output = command.output().expect("psql can be started");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("psql prints text").trim().to_owned()
    }

    /// Ends it at once, without saving anything (`immediate`); its children end too.
    pub fn kill(&mut self) {
        run(as_owner("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.folder.path().join("data")));
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) {
        self.process = spawn(self.folder.path(), self.port);
        self.wait_ready().await;
    }

    async fn wait_ready(&self) {
        let port = self.port.to_string();
        let log = self.folder.path().join("postgres.log");
        wait::until("postgres answers", Duration::from_secs(30), || {
            let mut command = Command::new(binary("psql"));
            command.args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres", "-c", "SELECT 1"]);
            let output = command.output().expect("psql can be started");
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let error = format!("{}; log: {log}", String::from_utf8_lossy(&output.stderr));
            async move { if output.status.success() { Ok(()) } else { Err(error) } }
        })
        .await;
    }
}

impl Drop for Postgres {
    /// The postmaster's children outlive a SIGKILL of it for a moment: ask it to end them.
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let _ended = as_owner("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(data).output();
    }
}

fn spawn(folder: &Path, port: u16) -> Process {
    let mut command = as_owner("postgres");
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(folder);
    for setting in [
        "fsync=off",
        "max_connections=20",
        "shared_buffers=16MB",
        "shared_preload_libraries=pg_stat_statements",
        "wal_level=replica",
        "max_wal_senders=4",
        "hot_standby=on",
        "max_wal_size=64MB",
    ] {
        command.args(["-c", setting]);
    }
    Process::start("postgres", &mut command, &folder.join("postgres.log"))
}

/// A temporary folder that belongs to whom the server runs as.
fn new_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    if is_root() {
        run(Command::new("chown").arg("postgres:").arg(folder.path()));
    }
    folder
}

/// One of PostgreSQL's programs, run as a user it accepts: it refuses root.
fn as_owner(program: &str) -> Command {
    if !is_root() {
        return Command::new(binary(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(binary(program));
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id can be started");
    id.stdout.trim_ascii() == b"0"
}

/// The newest installed version's program: Debian keeps them out of the search path.
fn binary(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|v| v.path().join("bin").join(program)).filter(|p| p.exists()).collect();
    found.sort_by_key(|path| {
        let version = path.components().nth_back(2).map(|c| c.as_os_str().to_string_lossy().into_owned());
        version.and_then(|v| v.parse::<u32>().ok())
    });
    found.pop().unwrap_or_else(|| PathBuf::from(program))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} could not be started: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
