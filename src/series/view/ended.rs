//! Series that have left memory: the archive finds them by metric and time, and matchers choose among them as they
//! do among those that live.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::pattern::Shape;
use crate::base::{METRIC_NAME, Matcher, Timestamp};
use crate::promql::{Selection, SourceError};
use crate::sketch::Bounds;

use super::super::archive::{RetiredQuery, Tier};
use super::super::data::Series;
use super::super::head::Head;
use super::super::index::SUFFIXES;
use super::super::slot::{Slot, slots_in};
use super::super::total::SeriesKind;
use super::View;
use super::forms::Forms;
use super::taken::storage;

/// A read that would load more definitions than these is refused: they take about 100 MB.
pub(super) const MAX_ENDED: usize = 100_000;

/// A sample may be stamped this far from its slot: with an end of its step in the coarsest tier.
const STEP: Duration = Tier::Hour1.step();

/// Whether a series that has left memory may have something after `start`.
pub(super) fn may_have(head: &Head, start: Timestamp) -> bool {
    Slot::of(start - STEP) <= head.retirement.newest
}

/// The series of a selection that have left memory, without data; perhaps also some that are about to leave, or
/// that ended a little too early.
pub(super) async fn read(view: &View, selection: &Selection) -> Result<Vec<(Arc<Forms>, Series)>, SourceError> {
    let query = RetiredQuery {
        metrics: metrics(&selection.matchers),
        first: Slot::of(selection.start).plus(-slots_in(STEP)),
        last: Slot::of(selection.end).plus(1 + slots_in(STEP)),
        limit: MAX_ENDED + 1,
    };
    let found = view.archive.retired(&query).await.map_err(storage)?;
    if found.len() > MAX_ENDED {
        return Err(SourceError::TooManySeries { limit: MAX_ENDED });
    }
    let mut out: Vec<(Arc<Forms>, Series)> = Vec::new();
    let mut bounds: HashMap<String, Bounds> = HashMap::new();
    for def in found {
        let Some(forms) = Forms::of(&def.labels, def.kind, &selection.matchers) else { continue };
        let same = out.last().map(|(last, _)| last).filter(|last| ***last == forms).cloned();
        let bounds = if def.kind == SeriesKind::Histogram {
            let metric = def.labels.metric_name();
            let of_metric = || view.shared.head.read().catalogued_bounds(metric);
            bounds.entry(metric.to_owned()).or_insert_with(of_metric).clone()
        } else {
            Bounds::none()
        };
        out.push((same.unwrap_or_else(|| Arc::new(forms)), Series::of(def, bounds)));
    }
    Ok(out)
}

/// The metrics that a selection can be of, by the names that they are stored under; `None`: any.
fn metrics(matchers: &[Matcher]) -> Option<Vec<String>> {
    let named = matchers.iter().filter(|m| m.name == METRIC_NAME && !m.is_negative());
    let literals = named.filter_map(|m| match m.shape() {
        Shape::Literals(names) => Some(names),
        Shape::All | Shape::NotEmpty | Shape::Beginning(_) => None,
    });
    let names = literals.min_by_key(|names| names.len())?;
    let bases = names.iter().flat_map(|name| SUFFIXES.iter().filter_map(|s| name.strip_suffix(s)));
    let mut all: Vec<String> = names.iter().map(String::as_str).chain(bases).map(str::to_owned).collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MatchOp;

    #[test]
    fn a_name_says_under_which_names_to_look() {
        let of = |op, value: &str| metrics(&[Matcher::new(METRIC_NAME, op, value).unwrap()]);
        assert_eq!(of(MatchOp::Equal, "x"), Some(vec!["x".to_owned()]));
        assert_eq!(of(MatchOp::Equal, "x_count"), Some(vec!["x".to_owned(), "x_count".to_owned()]));
        assert_eq!(of(MatchOp::Regex, "x_sum|y").unwrap(), ["x", "x_sum", "y"]);
        assert_eq!(of(MatchOp::Regex, "x.*"), None);
        assert_eq!(of(MatchOp::NotEqual, "x"), None);
        assert_eq!(metrics(&[Matcher::equal("a", "x")]), None);
    }
}
