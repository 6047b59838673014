//! The inverted index: from a label pair to the series that carry it, and from matchers to the series that
//! satisfy them, exactly.
//!
//! A counter or a sample has one name. A histogram has four (`x`, `x_count`, `x_sum` and, with `le`,
//! `x_bucket`), which are not listed but derived: so there are sets of [`postings`] by kind, and in those of the
//! histograms a matcher on `__name__` or `le` chooses [`Forms`] for each metric, and all others choose series.
//!
//! References are places in memory, which are used again; every list is sorted by them.

mod postings;

use crate::base::{Labels, METRIC_NAME, MatchOp, Matcher};

use super::total::SeriesKind;
use super::view::Forms;
pub(super) use postings::Postings;

/// The place of a series in the head.
pub(super) type SeriesRef = u32;

/// The suffixes of the series that are derived from one histogram.
pub(super) const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// How the index learns the labels of a series: comparing a few is cheaper than reading long lists.
pub(super) type LabelsOf<'a> = dyn Fn(SeriesRef) -> Option<&'a Labels> + 'a;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Series of one name.
    plain: Postings,
    /// Histograms of ours, which have buckets.
    histograms: Postings,
    /// Native histograms of others.
    natives: Postings,
}

impl Index {
    /// Enters series, which ascend.
    pub(super) fn insert(&mut self, new: &[(SeriesRef, &Labels, SeriesKind)]) {
        self.of_each_kind(new, Postings::insert);
    }

    /// Takes out series, which ascend.
    pub(super) fn remove(&mut self, gone: &[(SeriesRef, &Labels, SeriesKind)]) {
        self.of_each_kind(gone, Postings::remove);
    }

    fn of_each_kind(
        &mut self,
        series: &[(SeriesRef, &Labels, SeriesKind)],
        change: impl Fn(&mut Postings, &[(SeriesRef, &Labels)]),
    ) {
        for kind in [SeriesKind::Counter, SeriesKind::Sample, SeriesKind::Histogram, SeriesKind::Native] {
            let of_kind = series.iter().filter(|(.., k)| *k == kind).map(|(r, labels, _)| (*r, *labels));
            let of_kind: Vec<_> = of_kind.collect();
            if !of_kind.is_empty() {
                change(self.of_mut(kind), &of_kind);
            }
        }
    }

    fn of_mut(&mut self, kind: SeriesKind) -> &mut Postings {
        match kind {
            SeriesKind::Counter | SeriesKind::Sample => &mut self.plain,
            SeriesKind::Histogram => &mut self.histograms,
            SeriesKind::Native => &mut self.natives,
        }
    }

    /// The series that satisfy all matchers under one of their names at least, by the forms that do.
    pub(super) fn select<'a>(&'a self, matchers: &[Matcher], labels: &LabelsOf<'a>) -> Vec<(Forms, Vec<SeriesRef>)> {
        let all: Vec<&Matcher> = matchers.iter().collect();
        let (of_form, of_series): (Vec<_>, Vec<_>) = all.iter().partition(|m| Forms::is_chosen_by(m));
        let mut out = vec![(Forms::plain(), self.plain.find(None, &all, labels))];
        for (kind, postings) in [(SeriesKind::Histogram, &self.histograms), (SeriesKind::Native, &self.natives)] {
            let metrics = metrics(postings, &of_form).into_iter();
            let choices = metrics.filter_map(|(name, list)| Some((Forms::of_name(name, kind, &of_form)?, list)));
            select_of(postings, choices.collect(), &of_series, labels, &mut out);
        }
        out.retain(|(_, series)| !series.is_empty());
        out
    }

    /// The series of a metric, by the name that it is stored under.
    pub(super) fn of_metric(&self, name: &str) -> impl Iterator<Item = SeriesRef> {
        let lists = self.postings().into_iter().filter_map(move |p| p.value(METRIC_NAME, name));
        lists.flat_map(|(_, list)| list.iter().copied())
    }

    /// The series of one name, the histograms of ours, those of others.
    pub(super) fn postings(&self) -> [&Postings; 3] {
        [&self.plain, &self.histograms, &self.natives]
    }

    /// The histograms of ours.
    pub(super) fn histograms(&self) -> &[SeriesRef] {
        self.histograms.all()
    }
}

/// The metrics with four names that may have one that matches.
fn metrics<'a>(postings: &'a Postings, of_form: &[&Matcher]) -> Vec<(&'a str, &'a [SeriesRef])> {
    let named = of_form.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
    let Some(named) = named else { return postings.values(METRIC_NAME).collect() };
    let bases = SUFFIXES.iter().filter_map(|s| named.value.strip_suffix(s));
    let names = std::iter::once(named.value.as_str()).chain(bases);
    names.filter_map(|name| postings.value(METRIC_NAME, name)).collect()
}

/// Of metrics with four names, the series that satisfy the matchers of series.
fn select_of<'a>(
    postings: &'a Postings,
    choices: Vec<(Forms, &[SeriesRef])>,
    of_series: &[&Matcher],
    labels: &LabelsOf<'a>,
    out: &mut Vec<(Forms, Vec<SeriesRef>)>,
) {
    let any = postings::union(choices.iter().map(|(_, list)| *list));
    let found = postings.find(Some(any), of_series, labels);
    out.extend(choices.into_iter().map(|(forms, list)| {
        let mut series = list.to_vec();
        postings::intersect(&mut series, &found);
        (forms, series)
    }));
}

#[cfg(test)]
mod tests;
