//! Child processes that end with the test, and free ports.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A child process; killed and reaped on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts the command with its output in `log`.
    pub fn start(name: &str, command: &mut Command, log: &std::path::Path) -> Self {
        let out = std::fs::File::create(log).expect("the log file can be created");
        let err = out.try_clone().expect("the log file can be shared");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|e| panic!("{name} could not be started (run `make test-deps`): {e}"));
        Self { child, name: name.to_owned() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _gone_already = self.child.kill();
        self.child.wait().unwrap_or_else(|e| panic!("{} could not be reaped: {e}", self.name));
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(status.is_ok_and(|s| s.success()), "{} could not be signalled", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A loopback port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be bound");
    listener.local_addr().expect("a bound socket has an address").port()
}
