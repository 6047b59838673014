//! The samples of one series from pages and memory.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::promql::source::is_stale;
use crate::promql::{Floats, FloatsBuilder, Selection, SeriesSamples, SourceError};
use crate::sketch::NativeHistogram;

use super::super::codec::Corrupt;
use super::super::data::Data;
use super::super::page::Points;
use super::archived::{Archived, Part};
use super::forms::derived;
use super::taken::{Taken, TakenSeries};
use super::walk;

/// Bytes could not be understood.
pub(super) fn corrupt(error: Corrupt) -> SourceError {
    SourceError::Storage(Box::new(error))
}

/// Adds the samples of one series, in all wanted forms.
pub(super) fn samples(
    taken: &Taken,
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    floats: &mut FloatsBuilder,
    budget: &mut usize,
    out: &mut Vec<SeriesSamples>,
) -> Result<(), SourceError> {
    let found = match &series.data {
        Data::Samples(sent) => {
            archived_samples(series, archived, selection, floats)?;
            sent.stream.add_to(selection.start, selection.end, floats).map_err(corrupt)?;
            vec![SeriesSamples { labels: series.labels.clone(), floats: floats.finish(), histograms: Vec::new() }]
        }
        Data::Natives(sent) => {
            let mut natives = Vec::new();
            archived_natives(series, archived, selection, &mut natives)?;
            each_wanted(sent.stream.iter(), selection, |at, h| natives.push((at, h)))?;
            forms_of_natives(series, in_order(natives))
        }
        Data::Ours(ours) => walk::samples(taken, series, ours, archived, selection, *budget, floats)?,
    };
    for samples in found.into_iter().filter(|s| !s.floats.is_empty() || !s.histograms.is_empty()) {
        let loaded = samples.floats.len() + samples.histograms.len();
        *budget = budget.checked_sub(loaded).ok_or(SourceError::TooManySamples { limit: super::MAX_SAMPLES })?;
        out.push(samples);
    }
    Ok(())
}

fn each_wanted<T>(
    samples: impl Iterator<Item = Result<(Timestamp, T), Corrupt>>,
    selection: &Selection,
    mut take: impl FnMut(Timestamp, T),
) -> Result<(), SourceError> {
    for sample in samples {
        let (at, value) = sample.map_err(corrupt)?;
        if selection.start < at && at <= selection.end {
            take(at, value);
        }
    }
    Ok(())
}

/// Where tiers meet a late sample may be in both.
fn in_order<T>(mut samples: Vec<(Timestamp, T)>) -> Vec<(Timestamp, T)> {
    if !samples.windows(2).all(|w| w[0].0 < w[1].0) {
        samples.sort_by_key(|s| s.0);
        samples.dedup_by_key(|s| s.0);
    }
    samples
}

/// Each part's page with what it has of a series.
fn pages<'a>(
    series: &'a TakenSeries,
    archived: &'a Archived,
) -> impl Iterator<Item = Result<(&'a Part, Points), SourceError>> + 'a {
    archived.of(series.group).iter().filter_map(|part| {
        let points = part.page.as_ref()?.points(series.id).map_err(corrupt).transpose()?;
        Some(points.map(|(points, _)| (part, points)))
    })
}

fn archived_samples(
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    out: &mut FloatsBuilder,
) -> Result<(), SourceError> {
    for part in archived.of(series.group) {
        let Some(page) = &part.page else { continue };
        let end = selection.end.min(part.through.end());
        page.samples(series.id, selection.start, end, out).map_err(corrupt)?;
    }
    Ok(())
}

fn archived_natives(
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    out: &mut Vec<(Timestamp, Arc<NativeHistogram>)>,
) -> Result<(), SourceError> {
    for found in pages(series, archived) {
        if let (part, Points::Natives(natives)) = found? {
            let inside = natives.into_iter().filter(|(at, _)| *at <= part.through.end());
            each_wanted(inside.map(Ok), selection, |at, h| out.push((at, h)))?;
        }
    }
    Ok(())
}

/// A marker of staleness ends each of the names.
fn forms_of_natives(series: &TakenSeries, natives: Vec<(Timestamp, Arc<NativeHistogram>)>) -> Vec<SeriesSamples> {
    let floats = |suffix: &str, of: fn(&NativeHistogram) -> f64| SeriesSamples {
        labels: derived(&series.labels, suffix),
        floats: natives.iter().map(|(at, h)| (*at, if is_stale(h.sum) { h.sum } else { of(h) })).collect(),
        histograms: Vec::new(),
    };
    let mut out = Vec::new();
    out.extend(series.forms.count.then(|| floats("_count", |h| h.count)));
    out.extend(series.forms.sum.then(|| floats("_sum", |h| h.sum)));
    if series.forms.plain {
        out.push(SeriesSamples { labels: series.labels.clone(), floats: Floats::default(), histograms: natives });
    }
    out
}

/// Makes one of stored series with the same labels, and sorts by labels.
pub(super) fn join(mut all: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut out: Vec<SeriesSamples> = Vec::with_capacity(all.len());
    for next in all {
        match out.last_mut().filter(|last| last.labels == next.labels) {
            Some(last) => {
                let mut floats: Vec<_> = last.floats.iter().chain(next.floats.iter()).collect();
                floats.sort_by_key(|(at, _)| *at);
                keep_later(&mut floats);
                last.floats = floats.into_iter().collect();
                last.histograms.extend(next.histograms);
                last.histograms.sort_by_key(|(at, _)| *at);
                keep_later(&mut last.histograms);
            }
            None => out.push(next),
        }
    }
    out
}

/// Of two samples at one instant the later series counts: its zero is the reset that readers must see.
fn keep_later<T>(samples: &mut Vec<(Timestamp, T)>) {
    samples.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}
