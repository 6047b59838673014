//! A [`Source`] over series that are held in memory, and the notation of Prometheus's own tests for
//! writing them: `load 5m` on a line, then `metric{label="x"} 0+10x5` on each further one.

use std::sync::Arc;
use std::time::Duration;

use super::floats::{Floats, FloatsView};
use super::native;
use super::source::{STALE_NAN, Selection, SeriesSamples, Source, SourceError};
use crate::base::clock::BoxFuture;
use crate::base::time::millis;
use crate::base::{Labels, MatchOp, Matcher, Timestamp};
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
    /// `_x3` leave gaps, `stale` is a staleness marker.
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

fn series(line: &str, interval: Duration) -> Result<SeriesSamples, String> {
    let end = line.find('}').map(|i| i + 1).or_else(|| line.find(' ')).ok_or("values are missing")?;
    let (selector, values) = line.split_at(end);
    let mut found = SeriesSamples { labels: labels(selector)?, ..SeriesSamples::default() };
    let mut index = 0u32;
    for item in values.split_whitespace() {
        let (first, step, repeats) = expand(item)?;
        for i in 0..=repeats {
            if let Some(first) = first {
                let time = Timestamp::from_millis(millis(interval) * i64::from(index));
                let value = if step == 0.0 { first } else { first + step * f64::from(i) };
                found.floats.push(time, value);
            }
            index += 1;
        }
    }
    Ok(found)
}

/// First value (`None` for a gap), step, and how many more.
fn expand(item: &str) -> Result<(Option<f64>, f64, u32), String> {
    let bad = || format!("{item:?} is no value");
    let (body, repeats) = match item.split_once('x') {
        Some((body, times)) => (body, times.parse::<u32>().map_err(|_| bad())?),
        None => (item, 0),
    };
    match body {
        // `_x3` is three gaps, not four.
        "_" => return Ok((None, 0.0, repeats.saturating_sub(1))),
        "stale" => return Ok((Some(f64::from_bits(STALE_NAN)), 0.0, repeats)),
        _ => {}
    }
    let split = body.char_indices().skip(1).find(|(i, c)| matches!(c, '+' | '-') && !body[..*i].ends_with(['e', 'E']));
    let (first, step) = split.map_or((body, "0"), |(i, _)| body.split_at(i));
    let number = |text: &str| text.parse::<f64>().map_err(|_| bad());
    Ok((Some(number(first)?), number(step)?, repeats))
}

fn labels(selector: &str) -> Result<Labels, String> {
    let all = super::parse::selectors(selector).map_err(|e| e.to_string())?;
    let matchers = all.into_iter().flatten().collect::<Vec<_>>();
    match matchers.iter().find(|m| m.op != MatchOp::Equal) {
        Some(m) => Err(format!("{m} is no label")),
        None => Ok(Labels::new(matchers.iter().map(|m| (m.name.as_str(), m.value.as_str())))),
    }
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
    fn says_where_the_text_is_wrong() {
        assert_eq!(MemorySource::load("m 1\nm{a!=\"1\"} 1").unwrap_err().line, 2);
        assert!(MemorySource::load("m 1y").unwrap_err().to_string().contains("1y"));
    }
}
