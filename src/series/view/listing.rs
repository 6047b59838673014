//! Which series and labels there are, from the index and the time that each series lived; no sample is read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::promql::Selection;
use crate::sketch::{Bounds, format_le};

use super::super::data::Series;
use super::super::head::Head;
use super::super::index::{Postings, SeriesRef};
use super::super::known::SeriesStats;
use super::super::total::SeriesKind;
use super::forms::{Forms, bucket, derived};

/// Series that were found, and the forms of them that are wanted.
pub(super) type Found<'a> = (Forms, Vec<&'a Series>);

/// Their label sets, in all wanted forms.
pub(super) fn label_sets(found: &[Found<'_>]) -> Vec<Labels> {
    let mut out = Vec::new();
    for (forms, series) in found {
        series.iter().for_each(|s| push_forms(s, forms, &mut out));
    }
    out
}

/// The names of the labels of a selection in memory.
pub(super) fn label_names_of(head: &Head, selection: &Selection) -> BTreeSet<String> {
    if !selection.matchers.is_empty() {
        return label_names(&living(head, selection));
    }
    let mut names = HashSet::new();
    for postings in head.index.postings() {
        names.extend(postings.names().filter(|n| postings.values(n).any(|(_, l)| any_living(head, l, selection))));
    }
    names.into_iter().chain(any_with_bounds(head, selection).then_some("le")).map(str::to_owned).collect()
}

/// The names of their labels.
pub(super) fn label_names(found: &[Found<'_>]) -> BTreeSet<String> {
    let mut names = HashSet::new();
    let mut has_le = false;
    for (forms, series) in found {
        names.extend(series.iter().flat_map(|s| s.labels.iter()).map(|(name, _)| name));
        has_le |= !les(forms, series).is_empty();
    }
    names.into_iter().chain(has_le.then_some("le")).map(str::to_owned).collect()
}

/// The values of one label in a selection in memory.
pub(super) fn label_values_of(head: &Head, name: &str, selection: &Selection) -> BTreeSet<String> {
    if selection.matchers.is_empty() && name != METRIC_NAME && name != "le" {
        let all = head.index.postings().into_iter().flat_map(|p| p.values(name));
        return all.filter(|(_, l)| any_living(head, l, selection)).map(|(value, _)| value.to_owned()).collect();
    }
    label_values(&living(head, selection), name)
}

/// The values of one of their labels.
pub(super) fn label_values(found: &[Found<'_>], name: &str) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for (forms, series) in found {
        match name {
            METRIC_NAME => values.extend(metric_names(forms, series)),
            "le" if forms.buckets.is_some() => values.extend(les(forms, series)),
            _ => {
                let own: HashSet<&str> = series.iter().filter_map(|s| s.labels.get(name)).collect();
                values.extend(own.into_iter().map(str::to_owned));
            }
        }
    }
    values
}

/// The series of a selection in memory that lived in its time.
pub(super) fn living<'a>(head: &'a Head, selection: &Selection) -> Vec<Found<'a>> {
    let series = |refs: Vec<SeriesRef>| refs.into_iter().filter_map(|r| head.get(r)).collect();
    let found = head.select(&selection.matchers).into_iter().map(|(forms, refs)| (forms, series(refs)));
    within(found, selection)
}

/// Those of the archive that lived in its time.
pub(super) fn ended<'a>(ended: &'a [(Arc<Forms>, Series)], selection: &Selection) -> Vec<Found<'a>> {
    let alike = ended.chunk_by(|a, b| Arc::ptr_eq(&a.0, &b.0) || a.0 == b.0);
    let found =
        alike.filter_map(|some| Some((some.first()?.0.as_ref().clone(), some.iter().map(|(_, s)| s).collect())));
    within(found, selection)
}

fn within<'a>(found: impl Iterator<Item = Found<'a>>, selection: &Selection) -> Vec<Found<'a>> {
    let in_time = |(forms, mut series): Found<'a>| {
        series.retain(|s| appears(s, &forms) && s.may_have(selection.start, selection.end));
        (forms, series)
    };
    found.map(in_time).filter(|(_, series)| !series.is_empty()).collect()
}

/// Whether one of its forms is there: of the buckets there may be none with a `le` that is wanted.
fn appears(series: &Series, forms: &Forms) -> bool {
    forms.plain || forms.count || forms.sum || les_of(series, forms).next().is_some()
}

fn any_living(head: &Head, series: &[SeriesRef], selection: &Selection) -> bool {
    let (start, end): (Timestamp, Timestamp) = (selection.start, selection.end);
    series.iter().filter_map(|r| head.get(*r)).any(|s| s.may_have(start, end))
}

fn any_with_bounds(head: &Head, selection: &Selection) -> bool {
    any_living(head, head.index.histograms(), selection)
}

/// The names under which series appear.
fn metric_names(forms: &Forms, series: &[&Series]) -> BTreeSet<String> {
    let bases: HashSet<&str> = series.iter().map(|s| s.labels.metric_name()).collect();
    let buckets = !les(forms, series).is_empty();
    let wanted = [("", forms.plain), ("_bucket", buckets), ("_count", forms.count), ("_sum", forms.sum)];
    let suffixes = wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(suffix, _)| suffix);
    bases.into_iter().flat_map(|base| suffixes.clone().map(move |suffix| format!("{base}{suffix}"))).collect()
}

/// The values of `le` that are wanted.
fn les(forms: &Forms, series: &[&Series]) -> BTreeSet<String> {
    let mut seen: Vec<Bounds> = Vec::new();
    let mut out = BTreeSet::new();
    for series in series {
        let bounds = series.bounds();
        if !seen.contains(&bounds) {
            seen.push(bounds);
            out.extend(les_of(series, forms));
        }
    }
    out
}

fn les_of<'a>(series: &'a Series, forms: &'a Forms) -> impl Iterator<Item = String> + 'a {
    let counts_at_bounds = forms.buckets.is_some() && series.kind == SeriesKind::Histogram;
    let bounds = if counts_at_bounds { series.bounds().as_slice().to_vec() } else { Vec::new() };
    let infinity = counts_at_bounds.then_some(f64::INFINITY);
    bounds.into_iter().chain(infinity).map(format_le).filter(|le| forms.wants_bucket(le))
}

fn push_forms(series: &Series, forms: &Forms, out: &mut Vec<Labels>) {
    let labels = &series.labels;
    if forms.plain {
        out.push(labels.clone());
    }
    out.extend(forms.count.then(|| derived(labels, "_count")));
    out.extend(forms.sum.then(|| derived(labels, "_sum")));
    out.extend(les_of(series, forms).map(|le| bucket(labels, &le)));
}

/// How much is kept; each list at most `limit` long.
pub(super) fn stats(head: &Head, limit: usize) -> SeriesStats {
    let mut stats = SeriesStats { series: head.by_labels.len(), ..SeriesStats::default() };
    let postings = head.index.postings();
    let names: BTreeSet<&str> = postings.iter().flat_map(|p| p.names()).collect();
    for name in names {
        let values = values(&postings, name);
        stats.by_label.push((name.to_owned(), values.len()));
        stats.memory_by_label.push((name.to_owned(), values.iter().map(|(value, n)| value.len() * n).sum()));
        if name == METRIC_NAME {
            stats.by_metric = values.iter().map(|(value, n)| ((*value).to_owned(), *n)).collect();
        }
        stats.label_pairs += values.len();
        top(&mut stats.by_pair, values.iter().map(|(value, n)| (format!("{name}={value}"), *n)), limit);
    }
    for list in [&mut stats.by_metric, &mut stats.by_label, &mut stats.memory_by_label] {
        top(list, std::iter::empty(), limit);
    }
    stats
}

/// Each value of a label with the number of its series.
fn values<'a>(postings: &[&'a Postings], name: &str) -> HashMap<&'a str, usize> {
    let mut out = HashMap::new();
    for (value, list) in postings.iter().flat_map(|p| p.values(name)) {
        *out.entry(value).or_default() += list.len();
    }
    out
}

/// Keeps the greatest of a list and of more.
fn top(list: &mut Vec<(String, usize)>, more: impl Iterator<Item = (String, usize)>, limit: usize) {
    list.extend(more);
    list.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.truncate(limit);
}
