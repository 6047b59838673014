//! Web-vitals reports: one id is reported again and again, up and down; the last report counts.
//!
//! A view is a key of its own for each kind of navigation: a page restored from the back/forward cache and a
//! soft navigation have new ids, so they are populations of their own (label `navigation_type`), and nothing
//! of them revises the view before.

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

/// What a report is to the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Newer: it replaces.
    Newer,
    /// The same again.
    Duplicate,
    /// Older than what is there.
    Older,
}

/// What a sender without sequence numbers has reported, as `(value, delta)`; the present one among them.
/// A report without a delta has NaN there, which is like nothing.
pub(super) type Seen = Vec<(f64, f64)>;

/// Judges a report against the present one.
///
/// With sequence numbers on both sides the higher is newer. Without, each report names the value before it
/// by `value - delta`, and the reports of one key form a chain:
/// - one that continues the present value is newer, also when the same pair was seen before (INP goes up,
///   down and up again);
/// - one that fills a gap of the chain, right after or right before a report that is known, comes before the
///   present one, because all that is known does.
///
/// What the chain does not decide, arrival does: a sender that lost a beacon on the way goes on counting.
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
    let chain = Chain { seen, tolerance: tolerance(&report.key.metric) };
    if chain.same(report.value - delta, present.value) {
        Verdict::Newer
    } else if seen.contains(&(report.value, delta)) {
        Verdict::Duplicate
    } else if present.delta.is_some() && chain.fills_a_gap(report.value, report.value - delta) {
        Verdict::Older
    } else {
        Verdict::Newer
    }
}

/// The known part of a key's chain. It begins at 0, before the first report.
struct Chain<'a> {
    seen: &'a Seen,
    tolerance: f64,
}

impl Chain<'_> {
    fn same(&self, a: f64, b: f64) -> bool {
        (a - b).abs() <= self.tolerance
    }

    /// Whether a known report has this value.
    fn has(&self, value: f64) -> bool {
        self.seen.iter().any(|(v, _)| self.same(*v, value))
    }

    /// Whether a known report comes right after this value.
    fn goes_on_from(&self, value: f64) -> bool {
        self.seen.iter().any(|(v, delta)| self.same(v - delta, value))
    }

    /// Whether a report belongs right after the beginning or a known report whose successor is missing, or
    /// right before one whose predecessor is missing.
    fn fills_a_gap(&self, value: f64, before: f64) -> bool {
        let opens = self.same(before, 0.0);
        let after = (opens || self.has(before)) && !self.goes_on_from(before);
        let ahead = !self.same(value, 0.0) && self.goes_on_from(value) && !self.has(value);
        after || ahead || (opens && self.same(value, 0.0))
    }
}

/// How far two values may lie apart and still be one: half a millisecond, CLS a millionth.
fn tolerance(metric: &str) -> f64 {
    if metric == "CLS" { 1e-6 } else { 0.5e-3 }
}
