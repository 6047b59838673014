//! Starts the servers, each on a free loopback port with a folder of its own on the disk of the build.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::http::Http;

/// The `plimsoll` to measure, when it is not the one of this build.
static OURS: OnceLock<PathBuf> = OnceLock::new();

/// Measures this `plimsoll` from now on.
pub(crate) fn measure_instead(program: PathBuf) {
    OURS.set(program).expect("said once");
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A hyper server that reads the body and answers 204.
    Bare,
    /// Plimsoll with `journal.sync: always`.
    Always,
    /// Plimsoll with `journal.sync: write`.
    Write,
    /// Prometheus with its remote-write receiver.
    Prometheus,
    /// Prometheus that keeps native histograms, too.
    PrometheusNative,
    /// VictoriaMetrics, one node.
    Victoria,
    /// The statsd exporter.
    Statsd,
    /// Alertmanager, for Prometheus's pages.
    Alertmanager,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "hyper, 204",
            Self::Always => "plimsoll, sync: always",
            Self::Write => "plimsoll, sync: write",
            Self::Prometheus => "prometheus",
            Self::PrometheusNative => "prometheus, native",
            Self::Victoria => "victoria-metrics",
            Self::Statsd => "statsd_exporter",
            Self::Alertmanager => "alertmanager",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Always | Self::Write)
    }

    /// The peers among `wanted` that are installed here; says which are not.
    pub(crate) fn installed(wanted: &[Self]) -> Vec<Self> {
        let there = |peer: &&Self| {
            let found = peer.program().is_some();
            if !found {
                println!("{}: not on the PATH, left out", peer.name());
            }
            found
        };
        wanted.iter().filter(there).copied().collect()
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Bare => std::env::current_exe().ok(),
            Self::Always | Self::Write => {
                Some(OURS.get().cloned().unwrap_or_else(|| env!("CARGO_BIN_EXE_plimsoll").into()))
            }
            Self::Prometheus | Self::PrometheusNative => on_path(&["prometheus"]),
            Self::Victoria => on_path(&["victoria-metrics", "victoria-metrics-prod"]),
            Self::Statsd => on_path(&["prometheus-statsd-exporter", "statsd_exporter"]),
            Self::Alertmanager => on_path(&["prometheus-alertmanager", "alertmanager"]),
        }
    }

    fn ready_path(self) -> Option<&'static str> {
        match self {
            Self::Bare => None,
            Self::Always | Self::Write => Some("/readyz"),
            Self::Prometheus | Self::PrometheusNative | Self::Alertmanager => Some("/-/ready"),
            Self::Victoria => Some("/health"),
            Self::Statsd => Some("/metrics"),
        }
    }

    fn command(self, folder: &Path, port: u16, second_port: u16) -> Command {
        let mut command = Command::new(self.program().expect("it is installed"));
        let (listen, data) = (format!("127.0.0.1:{port}"), folder.join("data").display().to_string());
        match self {
            Self::Bare => command.args(["--bare-server", &port.to_string()]),
            Self::Always => command.args(["serve", "--listen", &listen]).env("PLIMSOLL_JOURNAL_SYNC", "always"),
            Self::Write => command.args(["serve", "--listen", &listen]).env("PLIMSOLL_JOURNAL_SYNC", "write"),
            Self::Prometheus | Self::PrometheusNative => command
                .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={data}"))
                .arg(format!("--web.listen-address={listen}"))
                .args(["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"])
                .arg("--log.level=error"),
            Self::Victoria => command
                .arg(format!("-storageDataPath={data}"))
                .arg(format!("-httpListenAddr={listen}"))
                .args(["-retentionPeriod=100y", "-search.latencyOffset=0s", "-loggerLevel=ERROR"]),
            Self::Statsd => command
                .arg(format!("--web.listen-address={listen}"))
                .arg(format!("--statsd.listen-tcp=127.0.0.1:{second_port}"))
                .args(["--statsd.listen-udp=", "--log.level=error"]),
            Self::Alertmanager => command
                .arg(format!("--config.file={}", folder.join("alertmanager.yml").display()))
                .arg(format!("--storage.path={data}"))
                .arg(format!("--web.listen-address={listen}"))
                .args(["--cluster.listen-address=", "--log.level=error"]),
        };
        if self == Self::PrometheusNative {
            command.arg("--enable-feature=native-histograms");
        }
        command.env("RUST_LOG", "error").current_dir(folder);
        command
    }
}

/// Scraping nothing; limits that let foreign series in.
const PROMETHEUS: &str = "global: {scrape_interval: 1m}\n";
const PLIMSOLL: &str = "limits: {series: 500000, series_per_service: 500000}\n";

/// A running server; killed and removed on drop.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) port: u16,
    /// Where lines come in, for a server that has a port for them.
    pub(crate) line_port: u16,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(peer: Peer) -> Self {
        Self::start_with(peer, &[("prometheus.yml", PROMETHEUS), ("plimsoll.yaml", PLIMSOLL)])
    }

    /// The same with these files, by their name, in its folder.
    pub(crate) fn start_with(peer: Peer, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a configuration");
        }
        let (port, line_port) = (free_port(), free_port());
        let child = spawn(peer.command(folder.path(), port, line_port), folder.path());
        let mut server = Self { peer, port, line_port, child, folder };
        server.wait_ready();
        server
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Starts it again in the same folder; returns the moment of the start.
    pub(crate) fn start_again(&mut self) -> Instant {
        let command = self.peer.command(self.folder.path(), self.port, self.line_port);
        let start = Instant::now();
        self.child = spawn(command, self.folder.path());
        start
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn connect(&self) -> Http {
        Http::connect(self.port).expect("the server listens")
    }

    /// Asks every few milliseconds until it is ready.
    pub(crate) fn wait_ready(&mut self) {
        let (name, path, port) = (self.peer.name(), self.peer.ready_path(), self.port);
        wait_until(name, || {
            let ended = self.child.try_wait().expect("the child can be asked");
            assert!(ended.is_none(), "{name} ended: {}", self.log());
            match path {
                None => Http::connect(port).is_ok(),
                Some(path) => Http::connect(port).and_then(|mut h| h.get(path)).is_ok_and(|r| r.status == 200),
            }
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }
}

/// Asks every two milliseconds until it holds, for five minutes at the most.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what}: not within five minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn spawn(mut command: Command, folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    let errors = log.try_clone().expect("the log is shared");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("the server starts")
}

/// The first of these programs that is on the `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|file| file.is_file())
}

/// A loopback port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
