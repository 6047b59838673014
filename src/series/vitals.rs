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

/// What a report is to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Newer: it replaces.
    Newer,
    /// The same again.
    Duplicate,
    /// Older than what is there.
    Older,
}

/// The values a sender without sequence numbers has reported, newest last: `(value, delta)`.
pub(super) type Seen = Vec<(f64, f64)>;

/// Judges a report against the present one.
///
/// With sequence numbers on both sides the higher is newer. Without, a report names the one before it by
/// `value - delta`: one that continues the present value is newer (also when the same pair was seen
/// before: INP goes up, down and up again); one that was seen, or that the present one continues, or that
/// opens the chain when the chain is longer already, is old. What the chain does not decide, arrival does.
pub(super) fn judge(present: &VitalReport, seen: &Seen, report: &VitalReport) -> Verdict {
    if let (Some(have), Some(new)) = (present.sequence, report.sequence) {
        return match new.cmp(&have) {
            std::cmp::Ordering::Greater => Verdict::Newer,
            std::cmp::Ordering::Equal => Verdict::Duplicate,
            std::cmp::Ordering::Less => Verdict::Older,
        };
    }
    if (report.value, report.delta) == (present.value, present.delta) {
        return Verdict::Duplicate;
    }
    let Some(delta) = report.delta else { return Verdict::Newer };
    let same = |a: f64, b: f64| (a - b).abs() <= tolerance(&report.key.metric);
    let before = report.value - delta;
    if same(before, present.value) {
        return Verdict::Newer;
    }
    if seen.contains(&(report.value, delta)) {
        return Verdict::Duplicate;
    }
    let Some(present_delta) = present.delta else { return Verdict::Newer };
    let present_before = present.value - present_delta;
    let opens = same(before, 0.0) && !same(present_before, 0.0);
    if same(present_before, report.value) || opens { Verdict::Older } else { Verdict::Newer }
}

/// How far two values may lie apart and still be one: half a millisecond, CLS a millionth.
fn tolerance(metric: &str) -> f64 {
    if metric == "CLS" { 1e-6 } else { 0.5e-3 }
}
