//! A [`Source`] over series that are held in memory, and the notation of Prometheus's own tests for
//! writing them: `load 5m` on a line, then `metric{label="x"} 0+10x5` on each further one.

pub(super) mod notation;

use std::sync::Arc;
use std::time::Duration;

use super::floats::{Floats, FloatsView};
use super::native;
use super::source::{Selection, SeriesSamples, Source, SourceError};
use super::value::Point;
use crate::base::clock::BoxFuture;
use crate::base::time::millis;
use crate::base::{Labels, Matcher, Timestamp};
use crate::sketch::NativeHistogram;

/// Series in memory. Reads copy what they select.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    series: Vec<SeriesSamples>,
}

/// What is wrong with a text in the notation of [`MemorySource::load`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct LoadError {
    line: usize,
    what: String,
}

impl MemorySource {
    /// A source with these series.
    pub fn new(series: Vec<SeriesSamples>) -> Self {
        Self { series }
    }

    /// Adds one series.
    pub fn push(&mut self, series: SeriesSamples) {
        self.series.push(series);
    }

    /// All series.
    pub fn all(&self) -> &[SeriesSamples] {
        &self.series
    }

    /// Reads series in Prometheus's notation; the first sample is at the epoch.
    ///
    /// `1 2 3` are values, `0+10x5` is 0 and five more in steps of 10, `5x3` is 5 and three more, `_` and
    /// `_x3` leave gaps, `stale` is a staleness marker, `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}` a histogram.
    pub fn load(text: &str) -> Result<Self, LoadError> {
        let mut source = Self::default();
        let mut interval = Duration::from_secs(60);
        for (number, line) in text.lines().enumerate() {
            let error = |what: String| LoadError { line: number + 1, what };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(step) = line.strip_prefix("load ") {
                interval = promql_parser::util::parse_duration(step.trim()).map_err(error)?;
            } else {
                source.push(series(line, interval).map_err(error)?);
            }
        }
        Ok(source)
    }

    fn matching<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a SeriesSamples> {
        self.series.iter().filter(|s| Matcher::all_match(&selection.matchers, &s.labels))
    }
}

/// One series as it is written, with its first sample at the epoch.
pub(super) fn series(line: &str, interval: Duration) -> Result<SeriesSamples, String> {
    let (labels, values) = notation::split_labels(line)?;
    let mut found = SeriesSamples { labels, ..SeriesSamples::default() };
    for (index, value) in (0i64..).zip(notation::values(values)?) {
        let time = Timestamp::from_millis(millis(interval) * index);
        match value {
            Some(Point::Float(value)) => found.floats.push(time, value),
            Some(Point::Histogram(h)) => found.histograms.push((time, h)),
            None => {}
        }
    }
    Ok(found)
}

impl Source for MemorySource {
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        let cut = self.matching(selection).map(|s| SeriesSamples {
            labels: s.labels.clone(),
            floats: inside_floats(&s.floats, selection).iter().collect(),
            histograms: inside(&s.histograms, selection).to_vec(),
        });
        let found = cut.filter(|s| !(s.floats.is_empty() && s.histograms.is_empty())).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn series<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        let present = self.matching(selection).filter(|s| {
            !(inside_floats(&s.floats, selection).is_empty() && inside(&s.histograms, selection).is_empty())
        });
        let found = present.map(|s| s.labels.clone()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

fn inside_floats<'a>(floats: &'a Floats, selection: &Selection) -> FloatsView<'a> {
    let times = floats.times();
    let from = times.partition_point(|t| *t <= selection.start);
    let to = times.partition_point(|t| *t <= selection.end);
    floats.slice(from.min(to)..to)
}

fn inside<'a, T>(samples: &'a [(Timestamp, T)], selection: &Selection) -> &'a [(Timestamp, T)] {
    let from = samples.partition_point(|s| s.0 <= selection.start);
    let to = samples.partition_point(|s| s.0 <= selection.end);
    &samples[from.min(to)..to]
}

/// A series of native histograms that grow by `step` at each interval, the first at the epoch.
pub fn growing_histograms(labels: Labels, step: &NativeHistogram, interval: Duration, samples: u32) -> SeriesSamples {
    let histograms = (0..samples).map(|i| {
        let mut h = step.clone();
        native::scale(&mut h, f64::from(i + 1));
        (Timestamp::from_millis(millis(interval) * i64::from(i)), Arc::new(h))
    });
    SeriesSamples { labels, floats: Floats::default(), histograms: histograms.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::source::STALE_NAN;

    fn values(text: &str) -> Vec<(i64, f64)> {
        let source = MemorySource::load(text).unwrap();
        source.all()[0].floats.iter().map(|(t, v)| (t.as_millis() / 1000, v)).collect()
    }

    #[test]
    fn reads_prometheus_notation() {
        let text = "load 5m\n  metric{a=\"1\"} 0+10x2 _ 7 1-2x1 _x2 5x1";
        let expected =
            [(0, 0.0), (300, 10.0), (600, 20.0), (1200, 7.0), (1500, 1.0), (1800, -1.0), (2700, 5.0), (3000, 5.0)];
        assert_eq!(values(text), expected);
        assert_eq!(MemorySource::load(text).unwrap().all()[0].labels, Labels::metric("metric", [("a", "1")]));
        assert_eq!(values("m 1e-3 -1e3+1x1"), [(0, 1e-3), (60, -1000.0), (120, -999.0)]);
        assert_eq!(values("m 1 stale")[1].1.to_bits(), STALE_NAN);
    }

    #[test]
    fn reads_histograms_that_grow() {
        let text = "m{a=\"}{{\"} {{count:4 sum:5 buckets:[1 2 1]}}+{{count:1 sum:2 buckets:[1] offset:1}}x2 _ {{}}";
        let source = MemorySource::load(text).unwrap();
        let histograms = &source.all()[0].histograms;
        let last = &histograms[2].1;
        assert_eq!((last.count, last.sum, &last.positive.0[..]), (6.0, 9.0, &[(0, 1.0), (1, 4.0), (2, 1.0)][..]));
        assert_eq!(histograms[3], (Timestamp::from_secs(240), Arc::new(NativeHistogram::default())));
        assert_eq!(source.all()[0].labels.value("a"), "}{{");
        assert!(MemorySource::load("m {{count:4 nothing:1}}").is_err());
    }

    #[test]
    fn says_where_the_text_is_wrong() {
        assert_eq!(MemorySource::load("m 1\nm{a!=\"1\"} 1").unwrap_err().line, 2);
        assert!(MemorySource::load("m 1y").unwrap_err().to_string().contains("1y"));
    }
}
