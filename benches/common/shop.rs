//! A shop's request durations as histograms that grow: routes × statuses, one step at a time.

use super::chance::Chance;
use super::remote_write::{Native, Series, Span};

/// Upper bounds of the classic buckets in seconds, without `+Inf`.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Statuses of each route, and how many requests of each come in a step.
pub(crate) const STATUSES: [&str; 4] = ["200", "304", "404", "500"];
/// Buckets of the native histogram: growth 2^(1/32), from 2^-12 s to 2^4 s.
const SCHEMA: i32 = 5;
const FIRST_BUCKET: i32 = -12 * 32;
const NATIVE_BUCKETS: usize = 16 * 32;
/// A native histogram leaves out this many empty buckets or more; fewer are written as zeros, as clients do.
const GAP: usize = 3;
/// Each classic histogram is so many series.
pub(crate) const CLASSIC_SERIES: usize = BOUNDS.len() + 3;
/// The metric.
pub(crate) const METRIC: &str = "shop_request_duration_seconds";

/// The histograms of a shop.
pub(crate) struct Shop {
    chance: Chance,
    per_step: [f64; 4],
    histograms: Vec<Histogram>,
}

/// One route and status.
pub(crate) struct Histogram {
    labels: [(&'static str, String); 5],
    median_s: f64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    classic: [u64; BOUNDS.len() + 1],
    native: Vec<u64>,
}

impl Shop {
    /// With so many requests in a step for each of the four [`STATUSES`].
    pub(crate) fn new(routes: usize, per_step: [f64; 4]) -> Self {
        let of = |route: usize| STATUSES.iter().map(move |status| Histogram::new(route, status));
        let histograms = (0..routes).flat_map(of).collect();
        Self { chance: Chance::seeded(1876), per_step, histograms }
    }

    /// The next step's requests come in.
    pub(crate) fn step(&mut self) {
        for (i, histogram) in self.histograms.iter_mut().enumerate() {
            for _ in 0..self.chance.poisson(self.per_step[i % STATUSES.len()]) {
                histogram.observe(self.chance.log_normal(histogram.median_s, 0.65));
            }
        }
    }

    pub(crate) fn histograms(&self) -> &[Histogram] {
        &self.histograms
    }

    /// Requests so far.
    pub(crate) fn count(&self) -> f64 {
        self.histograms.iter().map(|h| h.count as f64).sum()
    }
}

impl Histogram {
    fn new(route: usize, status: &str) -> Self {
        let labels = [
            ("http_route", format!("/api/v1/route/{route}")),
            ("http_response_status_code", status.to_owned()),
            ("http_request_method", "GET".to_owned()),
            ("instance", "shop-1.example:9090".to_owned()),
            ("job", "shop".to_owned()),
        ];
        let median_s = 0.02 + (route % 50) as f64 * 0.004;
        Self { labels, median_s, count: 0, sum: 0.0, classic: Default::default(), native: vec![0; NATIVE_BUCKETS] }
    }

    fn observe(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        self.classic[BOUNDS.iter().position(|b| seconds <= *b).unwrap_or(BOUNDS.len())] += 1;
        let bucket = (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i32 - FIRST_BUCKET;
        self.native[bucket.clamp(0, NATIVE_BUCKETS as i32 - 1) as usize] += 1;
    }

    fn series_of(&self, suffix: &str, bound: Option<&str>) -> Series {
        let name = format!("{METRIC}{suffix}");
        let mut labels: Vec<(&str, &str)> = self.labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
        labels.push(("__name__", &name));
        labels.extend(bound.map(|b| ("le", b)));
        Series::new(&labels)
    }

    /// Its series as a native histogram.
    pub(crate) fn native_series(&self) -> Series {
        self.series_of("", None)
    }

    /// Its [`CLASSIC_SERIES`] series as classic histogram, in the order of [`Self::classic_values`].
    pub(crate) fn classic_series(&self) -> Vec<Series> {
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let buckets = bounds.map(|b| self.series_of("_bucket", Some(&b)));
        buckets.chain([self.series_of("_sum", None), self.series_of("_count", None)]).collect()
    }

    /// Cumulative buckets, sum, count.
    pub(crate) fn classic_values(&self) -> [f64; CLASSIC_SERIES] {
        let mut values = [0.0; CLASSIC_SERIES];
        let mut below = 0;
        for (value, bucket) in values.iter_mut().zip(self.classic) {
            below += bucket;
            *value = below as f64;
        }
        values[CLASSIC_SERIES - 2] = self.sum;
        values[CLASSIC_SERIES - 1] = self.count as f64;
        values
    }

    /// As native histogram.
    pub(crate) fn native(&self, timestamp: i64) -> Native {
        let mut native = Native { count: self.count, sum: self.sum, schema: SCHEMA, timestamp, ..Native::default() };
        let (mut end, mut last) = (0usize, 0i64);
        for (i, &n) in self.native.iter().enumerate().filter(|(_, n)| **n > 0) {
            match native.positive_spans.last_mut() {
                Some(span) if i - end < GAP => {
                    for _ in end..i {
                        native.positive_deltas.push(-last);
                        last = 0;
                    }
                    span.length += (i - end) as u32 + 1;
                }
                Some(_) => native.positive_spans.push(Span { offset: (i - end) as i32, length: 1 }),
                None => native.positive_spans.push(Span { offset: FIRST_BUCKET + i as i32, length: 1 }),
            }
            native.positive_deltas.push(n as i64 - last);
            (end, last) = (i + 1, n as i64);
        }
        native
    }
}
