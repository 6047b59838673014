//! Sorted lists of series by label pair, and how matchers combine them.
//!
//! As in Prometheus, an absent label is an empty value. A matcher that an empty value does not satisfy unites
//! the lists of the values that satisfy it; one that it does satisfy takes away the lists of those that do
//! not. The smallest lists come first; and when few series are left, asking each for its label is cheaper
//! than trying every value that the label has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::base::pattern::Shape;
use crate::base::{Labels, Matcher};

use super::{LabelsOf, SeriesRef};

/// The cost of asking one series for its label, and of trying one value, in steps through a list.
const ASK: usize = 16;
const TRY: usize = 16;

/// Ascending series; the most frequent length is one.
#[derive(Debug)]
enum List {
    One(SeriesRef),
    Many(Vec<SeriesRef>),
}

impl List {
    fn as_slice(&self) -> &[SeriesRef] {
        match self {
            Self::One(series) => std::slice::from_ref(series),
            Self::Many(series) => series,
        }
    }

    /// Puts a series at the end; whether it belongs there.
    fn push(&mut self, series: SeriesRef) -> bool {
        let last = self.as_slice().last().copied();
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, series]),
            Self::Many(all) => all.push(series),
        }
        last.is_none_or(|last| last < series)
    }

    /// Puts those in order that were put at the end.
    fn settle(&mut self, new: usize) {
        if let Self::Many(all) = self {
            settle(all, new);
        }
    }

    /// Takes out series; whether none is left.
    fn remove(&mut self, gone: &[SeriesRef]) -> bool {
        match self {
            Self::One(series) => gone.binary_search(series).is_ok(),
            Self::Many(all) => {
                subtract(all, gone);
                if all.len() < all.capacity() / 4 {
                    all.shrink_to_fit();
                }
                all.is_empty()
            }
        }
    }
}

type Values = BTreeMap<Box<str>, List>;

/// Label name to value to series; each text is held once.
#[derive(Debug, Default)]
pub(in crate::series) struct Postings {
    all: Vec<SeriesRef>,
    names: BTreeMap<Box<str>, Values>,
}

impl Postings {
    /// Enters series, which ascend. Each list that one of them does not end is put in order once.
    pub(super) fn insert(&mut self, new: &[(SeriesRef, &Labels)]) {
        let mut unsettled = BTreeSet::new();
        for (series, labels) in new {
            for (name, value) in labels.iter() {
                if !self.push(*series, name, value) {
                    unsettled.insert((name, value));
                }
            }
        }
        for (name, value) in unsettled {
            if let Some(list) = self.names.get_mut(name).and_then(|values| values.get_mut(value)) {
                list.settle(new.len());
            }
        }
        let is_end = self.all.last() < new.first().map(|(first, _)| first);
        self.all.extend(new.iter().map(|(series, _)| *series));
        if !is_end {
            settle(&mut self.all, new.len());
        }
    }

    /// Puts a series at the end of a list; whether it belongs there.
    fn push(&mut self, series: SeriesRef, name: &str, value: &str) -> bool {
        if !self.names.contains_key(name) {
            self.names.insert(name.into(), Values::default());
        }
        let Some(values) = self.names.get_mut(name) else { return true };
        if let Some(list) = values.get_mut(value) {
            return list.push(series);
        }
        values.insert(value.into(), List::One(series));
        true
    }

    /// Takes out series, which ascend. Each list that one of them is in is read once.
    pub(super) fn remove(&mut self, gone: &[(SeriesRef, &Labels)]) {
        let mut touched: BTreeMap<(&str, &str), Vec<SeriesRef>> = BTreeMap::new();
        for (series, labels) in gone {
            labels.iter().for_each(|pair| touched.entry(pair).or_default().push(*series));
        }
        for ((name, value), gone) in touched {
            let Some(values) = self.names.get_mut(name) else { continue };
            if values.get_mut(value).is_some_and(|list| list.remove(&gone)) {
                values.remove(value);
            }
            if values.is_empty() {
                self.names.remove(name);
            }
        }
        subtract(&mut self.all, &gone.iter().map(|(series, _)| *series).collect::<Vec<_>>());
    }

    /// All series.
    pub(in crate::series) fn all(&self) -> &[SeriesRef] {
        &self.all
    }

    /// All label names, ascending.
    pub(in crate::series) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(AsRef::as_ref)
    }

    /// The values of a label, ascending, each with its series.
    pub(in crate::series) fn values(&self, name: &str) -> impl Iterator<Item = (&str, &[SeriesRef])> {
        self.names.get(name).into_iter().flatten().map(|(value, list)| (value.as_ref(), list.as_slice()))
    }

    /// One value of a label and its series.
    pub(super) fn value(&self, name: &str, value: &str) -> Option<(&str, &[SeriesRef])> {
        let (value, list) = self.names.get(name)?.get_key_value(value)?;
        Some((value, list.as_slice()))
    }

    /// Those of the series `among` (all, when there is no such choice) that satisfy all matchers.
    pub(super) fn find<'a>(
        &'a self,
        among: Option<Vec<SeriesRef>>,
        matchers: &[&Matcher],
        labels: &LabelsOf<'a>,
    ) -> Vec<SeriesRef> {
        let none = Values::default();
        let term = |m| Term::new(m, self.names.get(m.name.as_str()).unwrap_or(&none));
        let mut terms: Vec<Term<'_>> = matchers.iter().map(|m| term(m)).collect();
        terms.sort_by_key(Term::order);
        let mut found = among;
        for term in terms {
            match &mut found {
                Some(found) if found.is_empty() => break,
                Some(found) if found.len() * ASK < term.cost => {
                    found.retain(|r| labels(*r).is_some_and(|l| term.matcher.matches(l.value(&term.matcher.name))));
                }
                Some(found) if term.excludes => subtract(found, &term.series()),
                Some(found) => intersect(found, &term.series()),
                None if term.excludes => {
                    let mut all = self.all.clone();
                    subtract(&mut all, &term.series());
                    found = Some(all);
                }
                None => found = Some(term.series()),
            }
        }
        found.unwrap_or_else(|| self.all.clone())
    }
}

/// A matcher as a union of lists, to be kept or to be taken away.
struct Term<'a> {
    matcher: &'a Matcher,
    values: &'a Values,
    shape: Shape,
    excludes: bool,
    /// The steps that finding its series takes, about.
    cost: usize,
}

impl<'a> Term<'a> {
    fn new(matcher: &'a Matcher, values: &'a Values) -> Self {
        let mut term = Self { matcher, values, shape: matcher.shape(), excludes: matcher.matches(""), cost: 0 };
        term.cost = match &term.shape {
            Shape::Literals(_) if term.wants_the_shape() => term.lists().map(<[SeriesRef]>::len).sum(),
            Shape::All | Shape::NotEmpty if !term.wants_the_shape() => 0,
            _ => values.len() * TRY,
        };
        term
    }

    /// What is kept, before what is taken away, the cheapest first.
    fn order(&self) -> (bool, usize) {
        (self.excludes, self.cost)
    }

    /// Whether the lists are those of the values in the shape, not of all others.
    fn wants_the_shape(&self) -> bool {
        self.excludes == self.matcher.is_negative()
    }

    fn series(&self) -> Vec<SeriesRef> {
        union(self.lists())
    }

    fn lists(&self) -> impl Iterator<Item = &'a [SeriesRef]> {
        let (values, matcher, keep) = (self.values, self.matcher, !self.excludes);
        let literals = match &self.shape {
            Shape::Literals(literals) if self.wants_the_shape() => Some(literals),
            _ => None,
        };
        let beginning = match &self.shape {
            Shape::Beginning(beginning) if self.wants_the_shape() => beginning.as_str(),
            _ => "",
        };
        let looked_up = literals.into_iter().flatten().filter_map(|l| values.get(l.as_str()));
        let looked_up: Vec<&List> = looked_up.collect();
        let from = (Bound::Included(beginning), Bound::Unbounded);
        let tried = (literals.is_none()).then(|| values.range::<str, _>(from)).into_iter().flatten();
        let beginning = beginning.to_owned();
        let tried = tried.take_while(move |(value, _)| value.starts_with(&beginning));
        let tried = tried.filter(move |(value, _)| matcher.matches(value) == keep);
        looked_up.into_iter().chain(tried.map(|(_, list)| list)).map(List::as_slice)
    }
}

/// The series of lists that have none in common, as those of one label's values.
pub(super) fn union<'a>(lists: impl Iterator<Item = &'a [SeriesRef]>) -> Vec<SeriesRef> {
    let mut lists: Vec<&[SeriesRef]> = lists.collect();
    lists.sort_unstable_by_key(|list| list.first().copied());
    let mut all = lists.concat();
    // Merges runs, so it is linear when there are few.
    all.sort();
    all
}

/// Puts a list in order to whose end so many were added at most.
fn settle(all: &mut Vec<SeriesRef>, new: usize) {
    match all.as_slice() {
        [.., before, last] if new == 1 && before > last => {
            let (last, place) = (*last, all.partition_point(|r| r < last));
            all.pop();
            all.insert(place, last);
        }
        _ if new == 1 => {}
        // Merges runs, so it is linear.
        _ => all.sort(),
    }
}

/// Keeps what is in `other` too.
pub(super) fn intersect(series: &mut Vec<SeriesRef>, other: &[SeriesRef]) {
    let mut rest = other;
    series.retain(|r| starts_with(&mut rest, *r));
}

/// Keeps what is not in `other`.
fn subtract(series: &mut Vec<SeriesRef>, other: &[SeriesRef]) {
    let mut rest = other;
    series.retain(|r| !starts_with(&mut rest, *r));
}

/// Skips what is before `series`, in steps that double; whether it comes next.
fn starts_with(rest: &mut &[SeriesRef], series: SeriesRef) -> bool {
    let mut step = 1;
    while rest.get(step).is_some_and(|r| *r < series) {
        *rest = &rest[step..];
        step *= 2;
    }
    let near = &rest[..rest.len().min(step + 1)];
    *rest = &rest[near.partition_point(|r| *r < series)..];
    rest.first() == Some(&series)
}
