//! What the cases load, as Prometheus's storage would hand it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::promql::memory::{self, MemorySource};
use crate::promql::native;
use crate::promql::source::SeriesSamples;
use crate::sketch::{CUSTOM_SCHEMA, NativeBuckets, NativeHistogram, ResetHint};

/// The series loaded so far.
#[derive(Default)]
pub(super) struct Storage(BTreeMap<Labels, SeriesSamples>);

impl Storage {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Within a load the last of the same labels holds; a further load continues its series.
    pub(super) fn load(&mut self, interval: Duration, lines: &[String], as_native: bool) -> Result<(), String> {
        let mut loaded: BTreeMap<Labels, SeriesSamples> = BTreeMap::new();
        for line in lines {
            let series = memory::series(line, interval)?;
            loaded.insert(series.labels.clone(), series);
        }
        if as_native {
            let natives: Vec<_> = natives_of(loaded.values());
            loaded.extend(natives.into_iter().map(|series| (series.labels.clone(), series)));
        }
        for (labels, series) in loaded {
            let known =
                self.0.entry(labels.clone()).or_insert_with(|| SeriesSamples { labels, ..SeriesSamples::default() });
            let mut floats = known.floats.to_vec();
            floats.extend(series.floats);
            floats.sort_by_key(|s| s.0);
            known.floats = floats.into_iter().collect();
            known.histograms.extend(series.histograms);
            known.histograms.sort_by_key(|s| s.0);
            learn_resets(known);
        }
        Ok(())
    }

    pub(super) fn source(&self) -> MemorySource {
        MemorySource::new(
            self.0.values().filter(|s| !(s.floats.is_empty() && s.histograms.is_empty())).cloned().collect(),
        )
    }
}

/// Prometheus compares neighbours as it stores them: nothing is known of the first in a row and after a reset
/// or another type of sample, the others were not reset.
fn learn_resets(series: &mut SeriesSamples) {
    let mut before: Option<(Timestamp, Arc<NativeHistogram>)> = None;
    for (time, h) in &mut series.histograms {
        let mut learnt = NativeHistogram::clone(h);
        if learnt.reset_hint != ResetHint::Gauge {
            learnt.reset_hint = ResetHint::Unknown;
            let follows = before.as_ref().is_some_and(|(at, before)| {
                let float_between = series.floats.iter().any(|(t, _)| t > *at && t < *time);
                let alike = before.schema == learnt.schema
                    && before.zero_threshold == learnt.zero_threshold
                    && before.custom_bounds == learnt.custom_bounds;
                alike && !float_between && before.reset_hint != ResetHint::Gauge && !native::is_reset(&learnt, before)
            });
            if follows {
                learnt.reset_hint = ResetHint::NotReset;
            }
        }
        *h = Arc::new(learnt);
        before = Some((*time, h.clone()));
    }
}

/// A classic histogram at one time: cumulative counts by bound.
#[derive(Default)]
struct ClassicSample {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The classic histograms among some series as native ones with custom bounds.
fn natives_of<'a>(series: impl Iterator<Item = &'a SeriesSamples>) -> Vec<SeriesSamples> {
    let mut all: BTreeMap<Labels, BTreeMap<Timestamp, ClassicSample>> = BTreeMap::new();
    for one in series {
        let name = one.labels.metric_name();
        let Some((base, part)) = name.rsplit_once('_') else { continue };
        let bound = one.labels.value("le").parse::<f64>();
        if !matches!((part, &bound), ("bucket", Ok(_)) | ("count" | "sum", Err(_))) {
            continue;
        }
        let samples = all.entry(one.labels.filter(|n| n != "le").with(METRIC_NAME, base)).or_default();
        for (time, value) in one.floats.iter() {
            let sample = samples.entry(time).or_default();
            match (part, &bound) {
                ("bucket", Ok(bound)) => sample.buckets.push((*bound, value)),
                ("count", _) => sample.count = Some(value),
                _ => sample.sum = value,
            }
        }
    }
    let series = all.into_iter().map(|(labels, samples)| {
        let histograms = samples.into_iter().map(|(time, sample)| (time, Arc::new(native_of(sample)))).collect();
        SeriesSamples { labels, histograms, ..SeriesSamples::default() }
    });
    series.collect()
}

fn native_of(mut sample: ClassicSample) -> NativeHistogram {
    sample.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    sample.buckets.dedup_by(|next, kept| next.0 == kept.0);
    let count = sample.count.or(sample.buckets.last().map(|b| b.1)).unwrap_or(0.0);
    sample.buckets.retain(|b| b.0.is_finite());
    let bounds = sample.buckets.iter().map(|b| b.0).collect();
    let cumulative = sample.buckets.iter().map(|b| b.1).chain([count]);
    let before = [0.0].into_iter().chain(sample.buckets.iter().map(|b| b.1));
    let counts = cumulative.zip(before).map(|(upto, below)| upto - below);
    let positive = (0..).zip(counts).filter(|b| b.1 != 0.0).collect();
    NativeHistogram {
        schema: CUSTOM_SCHEMA,
        count,
        sum: sample.sum,
        positive: NativeBuckets(positive),
        custom_bounds: bounds,
        ..NativeHistogram::default()
    }
}
