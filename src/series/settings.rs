//! What can be set.

use std::path::PathBuf;
use std::time::Duration;

/// When an entry of the journal counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JournalSync {
    /// After `fdatasync`: survives a power cut.
    #[default]
    Always,
    /// After `write`: survives the end of the process, not that of the machine.
    Write,
}

/// How long samples are kept at each resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// One sample each 10 s; at least four hours.
    pub resolution_10s: Duration,
    /// One sample each 5 min.
    pub resolution_5m: Duration,
    /// One sample each hour.
    pub resolution_1h: Duration,
}

/// Limits of what is held in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Live series in all.
    pub series: usize,
    /// Live series of one `service_name`.
    pub series_per_service: usize,
    /// Live series of one metric.
    pub series_per_metric: usize,
    /// Labels of one series, `__name__` included.
    pub labels_per_series: usize,
    /// The longest label name, bytes.
    pub label_name_bytes: usize,
    /// The longest label value, bytes.
    pub label_value_bytes: usize,
    /// Items and reports of one request.
    pub batch: usize,
    /// Web vitals that have not settled.
    pub pending_vitals: usize,
    /// Settled web vitals that are remembered so that late reports are known as such.
    pub settled_vitals: usize,
}

/// The settings of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the journal lies.
    pub journal_dir: PathBuf,
    /// When an entry counts as written.
    pub sync: JournalSync,
    /// The most bytes that the journal may hold.
    pub journal_max_bytes: u64,
    /// Retention.
    pub keep: Keep,
    /// Limits.
    pub limits: Limits,
    /// A web vital settles after this long without a revision.
    pub settle: Duration,
    /// Batches that may wait for the journal.
    pub queue: usize,
    /// A series without news for this long leaves memory and `GET /metrics`; what it had stays readable. At least
    /// two hours: late samples find the series that they belong to, and in the steps of the coarsest resolution the
    /// last growth of a series lies apart from the beginning of the next one of its labels.
    pub idle: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Settings {
    /// The defaults of the service file.
    fn default() -> Self {
        Self {
            journal_dir: PathBuf::from("./plimsoll-data"),
            sync: JournalSync::Always,
            journal_max_bytes: 1 << 30,
            keep: Keep { resolution_10s: 2 * DAY, resolution_5m: 90 * DAY, resolution_1h: 400 * DAY },
            limits: Limits {
                series: 200_000,
                series_per_service: 20_000,
                series_per_metric: 50_000,
                labels_per_series: 40,
                label_name_bytes: 128,
                label_value_bytes: 1024,
                batch: 100_000,
                pending_vitals: 200_000,
                settled_vitals: 1_000_000,
            },
            settle: Duration::from_secs(300),
            queue: 1024,
            idle: DAY,
        }
    }
}
