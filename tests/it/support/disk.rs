//! Small disks: a real file system of a few megabytes where one may be mounted, else a limit on the size of the
//! files that a process writes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, unmounted when dropped.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of so many bytes; `None` where that is not allowed.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder.path());
        command.output().is_ok_and(|o| o.status.success()).then_some(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing can be written from now on.
    pub fn make_read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status();
        assert!(status.is_ok_and(|s| s.success()), "the disk could not be made read-only");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.ballast()).expect("the ballast can be created");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

/// What a process may write.
pub enum Space {
    /// Its files lie on a small disk.
    Disk(SmallDisk),
    /// Its files may be limited in size.
    Limit(tempfile::TempDir),
}

impl Space {
    /// The best that this machine allows.
    pub fn new() -> Self {
        match SmallDisk::mount(24 << 20) {
            Some(disk) => Self::Disk(disk),
            None => Self::Limit(tempfile::tempdir().expect("a folder")),
        }
    }

    /// Where files are to lie.
    pub fn path(&self) -> &Path {
        match self {
            Self::Disk(disk) => disk.path(),
            Self::Limit(folder) => folder.path(),
        }
    }

    /// From now on the process can write no more.
    pub fn fill(&self, process: u32) {
        match self {
            Self::Disk(disk) => disk.fill(),
            Self::Limit(_) => limit(process, "1:"),
        }
    }

    /// From now on it can again.
    pub fn free(&self, process: u32) {
        match self {
            Self::Disk(disk) => disk.free(),
            Self::Limit(_) => limit(process, "unlimited:"),
        }
    }
}

/// The soft limit of a file's size; beyond it writes fail: the service is started ignoring SIGXFSZ.
fn limit(process: u32, fsize: &str) {
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--fsize={fsize}")]).status();
    assert!(status.is_ok_and(|s| s.success()), "the file size could not be limited");
}
