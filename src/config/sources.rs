//! Where configuration comes from: files and environment variables, behind a trait, so that tests never
//! touch the process's own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Files and environment.
pub trait Sources {
    /// An environment variable; one that is not UTF-8 counts as absent.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// As the file system has them, and files over 16 MiB.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The paths in a folder, sorted.
    ///
    /// # Errors
    /// As the file system has them.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The process's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSources;

/// No configuration is larger.
const FILE_LIMIT: u64 = 16 << 20;

impl Sources for SystemSources {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        if std::fs::metadata(path)?.len() > FILE_LIMIT {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
        }
        std::fs::read_to_string(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut paths = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }
}

/// Sources in memory, for tests.
#[derive(Debug, Clone, Default)]
pub struct MemorySources {
    variables: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, String>,
}

impl MemorySources {
    /// With one more environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With one more file.
    #[must_use]
    pub fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }
}

impl Sources for MemorySources {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let entry = |path: &PathBuf| {
            let first = path.strip_prefix(folder).ok()?.components().next()?;
            Some(folder.join(first))
        };
        let mut paths: Vec<PathBuf> = self.files.keys().filter_map(entry).collect();
        paths.dedup();
        if paths.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(paths) }
    }
}
