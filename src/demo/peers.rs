//! Redis and PostgreSQL for the demonstration: private ones, where the programs are installed, in the
//! demonstration's own folder and on free ports. They end with it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::base::SharedClock;

use super::visitors::find_program;

/// A private server; killed on drop.
pub struct Peer {
    /// How the collector reaches it.
    pub url: String,
    server: Child,
}

impl Peer {
    /// Ends it as Ctrl-C would and waits, so that it leaves nothing behind: a killed PostgreSQL would leave
    /// shared memory. One that takes longer than three seconds is killed.
    pub async fn end(mut self, clock: &SharedClock) {
        let Some(id) = self.server.id() else { return };
        let asked = Command::new("kill").args(["-INT", &id.to_string()]).status().await;
        if asked.is_ok_and(|status| status.success()) {
            tokio::select! {
                _ended = self.server.wait() => {}
                () = clock.sleep(Duration::from_secs(3)) => {}
            }
        }
    }
}

/// Why a peer is not there.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Its program is not installed.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// It would not start.
    #[error("{name} could not be started")]
    Start {
        /// Which.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A step of its preparation failed.
    #[error("{name} failed: {message}")]
    Failed {
        /// Which step.
        name: &'static str,
        /// What it said.
        message: String,
    },
}

/// Starts `redis-server` with a small memory limit.
pub fn redis(path: &str, folder: &Path, port: u16) -> Result<Peer, PeerError> {
    let program = find_program(path, &["redis-server"]).ok_or(PeerError::Missing("redis-server"))?;
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--maxmemory", "64mb"]);
    command.arg("--dir").arg(folder);
    Ok(Peer { url: format!("redis://127.0.0.1:{port}"), server: spawn("redis-server", command)? })
}

/// Makes and starts a PostgreSQL cluster. PostgreSQL refuses to run as root: then its own user runs it.
pub async fn postgres(path: &str, folder: &Path, port: u16) -> Result<Peer, PeerError> {
    let folders = postgres_folders(path);
    let initdb = find_program(&folders, &["initdb"]).ok_or(PeerError::Missing("postgresql"))?;
    let postgres = find_program(&folders, &["postgres"]).ok_or(PeerError::Missing("postgresql"))?;
    let data = folder.join("postgres");
    let failed = |source| PeerError::Start { name: "postgresql", source };
    std::fs::create_dir_all(&data).map_err(failed)?;
    let as_root = is_root(folder);
    if as_root {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).map_err(failed)?;
        finished("chown", Command::new("chown").arg("-R").arg("postgres").arg(&data)).await?;
    }
    let mut make = command_as(as_root, &initdb);
    make.args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data);
    finished("initdb", &mut make).await?;
    let mut serve = command_as(as_root, &postgres);
    serve.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
    serve.args(["-c", "shared_preload_libraries=", "-k"]).arg(&data);
    Ok(Peer { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), server: spawn("postgres", serve)? })
}

/// The search path, and where Debian keeps PostgreSQL's programs, newest first.
fn postgres_folders(path: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|v| v.path().join("bin")).collect();
    folders.sort();
    let named = folders.iter().rev().map(|f| f.display().to_string());
    named.chain([path.to_owned()]).collect::<Vec<_>>().join(":")
}

/// Whether what this process makes belongs to root.
fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).is_ok_and(|m| m.uid() == 0)
}

fn command_as(as_root: bool, program: &Path) -> Command {
    if !as_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

async fn finished(name: &'static str, command: &mut Command) -> Result<(), PeerError> {
    let output = command.stdin(Stdio::null()).current_dir("/").output().await;
    let output = output.map_err(|source| PeerError::Start { name, source })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PeerError::Failed { name, message })
}

fn spawn(name: &'static str, mut command: Command) -> Result<Child, PeerError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
    command.kill_on_drop(true).spawn().map_err(|source| PeerError::Start { name, source })
}
