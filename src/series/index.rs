//! The inverted index: from a label pair to the series that carry it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::{Labels, METRIC_NAME, MatchOp, Matcher};

/// The number of a series in the head.
pub(super) type SeriesRef = u32;

/// The suffixes of the series that are derived from one histogram.
pub(super) const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

type Postings = HashMap<Arc<str>, Vec<SeriesRef>>;

/// Label name to value to series, ascending.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<Arc<str>, Postings>);

impl Index {
    pub(super) fn insert(&mut self, series: SeriesRef, labels: &Labels) {
        for (name, value) in labels.iter() {
            if !self.0.contains_key(name) {
                self.0.insert(name.into(), Postings::default());
            }
            let Some(values) = self.0.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(list) => list.push(series),
                None => drop(values.insert(value.into(), vec![series])),
            }
        }
    }

    pub(super) fn remove(&mut self, series: SeriesRef, labels: &Labels) {
        for (name, value) in labels.iter() {
            let Some(values) = self.0.get_mut(name) else { continue };
            if let Some(list) = values.get_mut(value) {
                list.retain(|s| *s != series);
                if list.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// Series that may match: all that do, and some that do not. `None`: any may.
    ///
    /// Only matchers that an absent label does not satisfy narrow the choice; `le` never does, because
    /// the buckets of our histograms are derived and not listed here.
    pub(super) fn candidates(&self, matchers: &[Matcher]) -> Option<Vec<SeriesRef>> {
        let narrowing = matchers.iter().filter(|m| m.name != "le" && !m.matches(""));
        let lists = narrowing.map(|m| if m.name == METRIC_NAME { self.by_name(m) } else { self.by_label(m) });
        lists.min_by_key(|lists| lists.iter().map(|l| l.len()).sum::<usize>()).map(|lists| {
            let mut all: Vec<SeriesRef> = lists.into_iter().flatten().copied().collect();
            all.sort_unstable();
            all.dedup();
            all
        })
    }

    fn by_label(&self, matcher: &Matcher) -> Vec<&[SeriesRef]> {
        let Some(values) = self.0.get(matcher.name.as_str()) else { return Vec::new() };
        if matcher.op == MatchOp::Equal {
            return values.get(matcher.value.as_str()).map(Vec::as_slice).into_iter().collect();
        }
        values.iter().filter(|(v, _)| matcher.matches(v)).map(|(_, l)| l.as_slice()).collect()
    }

    /// By the metric's name, or the name of what is derived from it.
    fn by_name(&self, matcher: &Matcher) -> Vec<&[SeriesRef]> {
        let Some(names) = self.0.get(METRIC_NAME) else { return Vec::new() };
        if matcher.op == MatchOp::Equal {
            let base = SUFFIXES.iter().filter_map(|s| matcher.value.strip_suffix(s));
            let named = std::iter::once(matcher.value.as_str()).chain(base);
            return named.filter_map(|n| names.get(n)).map(Vec::as_slice).collect();
        }
        let any = |name: &str| matcher.matches(name) || SUFFIXES.iter().any(|s| matcher.matches(&format!("{name}{s}")));
        names.iter().filter(|(n, _)| any(n)).map(|(_, l)| l.as_slice()).collect()
    }

    /// The series of a metric.
    pub(super) fn of_metric(&self, name: &str) -> &[SeriesRef] {
        self.0.get(METRIC_NAME).and_then(|n| n.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Each label with each of its values and their series.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &HashMap<Arc<str>, Vec<SeriesRef>>)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_matches() {
        let mut index = Index::default();
        let sets = [
            Labels::metric("x", [("code", "200"), ("route", "/a")]),
            Labels::metric("x", [("code", "503")]),
            Labels::metric("y_count", [("code", "200")]),
        ];
        sets.iter().enumerate().for_each(|(i, l)| index.insert(i as SeriesRef, l));
        let find = |matchers: &[Matcher]| index.candidates(matchers);
        let regex = |n: &str, v: &str| Matcher::new(n, MatchOp::Regex, v).unwrap();
        assert_eq!(find(&[Matcher::equal("__name__", "x_bucket")]), Some(vec![0, 1]));
        assert_eq!(find(&[Matcher::equal("__name__", "y_count")]), Some(vec![2]));
        assert_eq!(find(&[regex("__name__", ".*_count")]), Some(vec![0, 1, 2]));
        assert_eq!(find(&[Matcher::equal("__name__", "x"), regex("code", "5..")]), Some(vec![1]));
        assert_eq!(find(&[regex("code", "5..|")]), None);
        assert_eq!(find(&[Matcher::equal("route", "")]), None);
        assert_eq!(find(&[Matcher::equal("none", "x")]), Some(vec![]));
        index.remove(1, &sets[1]);
        assert_eq!(index.candidates(&[Matcher::equal("__name__", "x")]), Some(vec![0]));
        assert_eq!(index.candidates(&[Matcher::equal("code", "503")]), Some(vec![]));
    }
}
