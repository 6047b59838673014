//! Web-vitals reports: one id is reported again and again, up and down; the last report counts.

use crate::base::{Labels, Timestamp};

/// What is reported: one metric of one page view.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VitalKey {
    /// The site the report came for.
    pub site: String,
    /// The page view (our script) or the metric's own id (a raw web-vitals object).
    pub id: String,
    /// `LCP`, `INP`, `CLS`, `FCP`, `TTFB` or `FID`.
    pub metric: String,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub struct VitalReport {
    /// What is reported.
    pub key: VitalKey,
    /// The sender's count of its beacons, when it keeps one: higher replaces lower.
    pub sequence: Option<u64>,
    /// Seconds (CLS: its own unit); finite, not negative.
    pub value: f64,
    /// In the same unit: the change since the last report that the sender made.
    pub delta: Option<f64>,
    /// No further report will come.
    pub is_final: bool,
    /// When the view began: arrival minus its age.
    pub start: Timestamp,
    /// When the report arrived.
    pub received: Timestamp,
    /// How many views this one stands for.
    pub weight: u32,
    /// The series that the value enters when it settles, with `__name__`.
    pub labels: Labels,
}
