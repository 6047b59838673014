//! Which rows are histograms: the series of a classic one are brought together once for all steps.

use std::collections::HashMap;

use super::notes::Notes;
use super::row::Row;
use crate::base::Labels;
use crate::promql::functions::histogram::ClassicBucket;
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

/// A classic histogram: rows whose labels differ in `le` alone.
#[derive(Debug)]
pub(super) struct Classic {
    /// With the metric's name, without `le`.
    pub(super) labels: Labels,
    /// Upper bound and row, ascending.
    buckets: Vec<(f64, usize)>,
    /// Native histograms with the same labels, which forbid each other at a step.
    rivals: Vec<usize>,
}

/// The histograms among some rows.
#[derive(Debug, Default)]
pub(super) struct Distributions {
    pub(super) classic: Vec<Classic>,
    /// Rows, each with the place in `classic` of its rival.
    pub(super) native: Vec<(usize, Option<usize>)>,
}

impl Distributions {
    /// Rows of floats without a bound are named in the notes.
    pub(super) fn of(rows: &[Row], notes: &Notes) -> Self {
        let mut all = Self::default();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for (i, row) in rows.iter().enumerate().filter(|(_, row)| has(row, |p| matches!(p, Point::Float(_)))) {
            let Some(bound) = parse_bound(row.labels.value("le")) else {
                note_bad_bound(&row.labels, notes);
                continue;
            };
            let place = *places.entry(without_bound(&row.labels)).or_insert_with_key(|labels| {
                all.classic.push(Classic { labels: labels.clone(), buckets: Vec::new(), rivals: Vec::new() });
                all.classic.len() - 1
            });
            all.classic[place].buckets.push((bound, i));
        }
        for (i, row) in rows.iter().enumerate().filter(|(_, row)| has(row, |p| matches!(p, Point::Histogram(_)))) {
            let rival = places.get(&without_bound(&row.labels)).copied();
            if let Some(rival) = rival {
                all.classic[rival].rivals.push(i);
            }
            all.native.push((i, rival));
        }
        all.classic.iter_mut().for_each(|c| c.buckets.sort_by(|a, b| a.0.total_cmp(&b.0)));
        all
    }
}

impl Classic {
    /// The buckets at a step, ascending; none where a native histogram has the same labels.
    pub(super) fn at(&self, rows: &[Row], step: usize, into: &mut Vec<ClassicBucket>, notes: &Notes) {
        into.clear();
        into.extend(self.buckets.iter().filter_map(|(bound, i)| match rows[*i].cells[step] {
            Some(Point::Float(count)) => Some(ClassicBucket { bound: *bound, count }),
            _ => None,
        }));
        if !into.is_empty() && self.rivals.iter().any(|i| native_at(&rows[*i], step).is_some()) {
            notes.mixed_histograms(&self.labels);
            into.clear();
        }
    }

    pub(super) fn is_at(&self, rows: &[Row], step: usize) -> bool {
        self.buckets.iter().any(|(_, i)| matches!(rows[*i].cells[step], Some(Point::Float(_))))
    }
}

pub(super) fn native_at(row: &Row, step: usize) -> Option<&NativeHistogram> {
    match &row.cells[step] {
        Some(Point::Histogram(h)) => Some(h),
        _ => None,
    }
}

fn has(row: &Row, kind: fn(&Point) -> bool) -> bool {
    row.cells.iter().flatten().any(kind)
}

fn without_bound(labels: &Labels) -> Labels {
    labels.filter(|name| name != "le")
}

/// Go's spelling of numbers, in which `+Inf` is usual.
fn parse_bound(text: &str) -> Option<f64> {
    match text {
        "" => None,
        text => text.parse().ok(),
    }
}

fn note_bad_bound(labels: &Labels, notes: &Notes) {
    let bound = labels.value("le");
    notes.of_metric(format!("bucket label \"le\" is missing or has a malformed value of {bound:?}"), labels);
}
