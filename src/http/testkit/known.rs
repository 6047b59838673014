//! What the story's series know.

use super::*;

pub(super) struct FakeKnown {
    pub(super) data: bool,
}

pub(super) const VITALS: [(&str, f64); 5] = [
    ("web_vitals_lcp_seconds", 1.9),
    ("web_vitals_inp_seconds", 0.17),
    ("web_vitals_cls", 0.07),
    ("web_vitals_fcp_seconds", 1.2),
    ("web_vitals_ttfb_seconds", 0.5),
];

pub(super) const ROUTES: [(&str, f64, u32); 4] =
    [("/", 0.8, 900), ("/product/:id", 1.45, 2400), ("/search", 2.6, 310), ("/cart", 1.0, 42)];

pub(super) fn vital_labels(metric: &str, route: &str, navigation: &str) -> Labels {
    let pairs = [("service_name", "shop"), ("route", route), ("device", "mobile"), ("navigation_type", navigation)];
    Labels::metric(metric, pairs)
}

pub(super) fn spread(metric: &str, middle: f64, count: u32) -> Histogram {
    let mut histogram = Histogram::new(MetricCatalog::default().bounds(metric));
    for i in 0..count {
        let q = (f64::from(i) + 0.5) / f64::from(count);
        histogram.observe(middle * (0.25 + 1.1 * q + 0.6 * q.powi(6)));
    }
    histogram
}

impl Source for FakeKnown {
    fn select<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn series<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Known for FakeKnown {
    fn exposition(&self, _now: Timestamp) -> Vec<Exposed> {
        Vec::new()
    }

    fn histograms<'a>(
        &'a self,
        matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        let mut all = Vec::new();
        for (metric, middle) in VITALS {
            for (route, factor, count) in ROUTES {
                // INP only where someone interacted.
                let count = if metric.contains("inp") { count / 3 } else { count };
                all.push((vital_labels(metric, route, "navigate"), spread(metric, middle * factor, count)));
            }
            if !metric.contains("ttfb") {
                all.push((vital_labels(metric, "/search", "soft-navigation"), spread(metric, middle * 0.2, 120)));
            }
        }
        all.retain(|(labels, _)| self.data && Matcher::all_match(matchers, labels));
        Box::pin(async { Ok(all) })
    }

    fn increases<'a>(
        &'a self,
        _: &'a [Matcher],
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn pending_vitals(&self, _since: Timestamp) -> Vec<PendingVital> {
        let pending = |(metric, middle): (&str, f64)| PendingVital {
            labels: vital_labels(metric, "/cart", "navigate"),
            value: middle,
            weight: 7,
            start: minutes_ago(2),
        };
        if self.data { VITALS.into_iter().map(pending).collect() } else { Vec::new() }
    }

    fn stats(&self, _limit: usize) -> SeriesStats {
        SeriesStats::default()
    }

    fn metric_type(&self, _metric: &str) -> MetricType {
        MetricType::Unknown
    }
}
