//! What senders say about metrics: the kinds' numbers, and which family a series belongs to.

use crate::series::MetricType;

/// The kind with this number; both versions count them alike. Unknown numbers are no error: later versions may
/// have more.
pub(super) const fn kind(number: u64) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

/// Text of a description; what is not UTF-8 is left out.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The family of a series of this kind: classic histograms and summaries have several names.
pub(super) fn family(metric: &str, kind: MetricType) -> &str {
    let suffixes: &[&str] = match kind {
        MetricType::Histogram => &["_bucket", "_count", "_sum"],
        MetricType::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricType::Summary => &["_count", "_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|s| metric.strip_suffix(s)).unwrap_or(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_histogram_are_one_family() {
        assert_eq!(family("x_bucket", MetricType::Histogram), "x");
        assert_eq!(family("x_bucket", MetricType::Gauge), "x_bucket");
        assert_eq!(family("x", MetricType::Summary), "x");
        assert_eq!(family("x_total", MetricType::Counter), "x_total");
    }
}
