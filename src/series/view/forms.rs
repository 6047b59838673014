//! Which of the names of a stored series a selection means.

use crate::base::{Labels, METRIC_NAME, Matcher};

use super::super::total::SeriesKind;

/// The forms of one series that are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Forms {
    /// Under its own name.
    pub(super) plain: bool,
    /// `_count`
    pub(super) count: bool,
    /// `_sum`
    pub(super) sum: bool,
    /// `_bucket`, of the bounds whose `le` satisfies all of these.
    pub(super) buckets: Option<Vec<Matcher>>,
}

impl Forms {
    /// The forms that satisfy all matchers, if any does.
    pub(super) fn of(labels: &Labels, kind: SeriesKind, matchers: &[Matcher]) -> Option<Self> {
        if !matches!(kind, SeriesKind::Histogram | SeriesKind::Native) {
            return Matcher::all_match(matchers, labels).then(|| Self { plain: true, ..Self::default() });
        }
        let own = |m: &&Matcher| m.name != METRIC_NAME && m.name != "le";
        if !matchers.iter().filter(own).all(|m| m.matches(labels.value(&m.name))) {
            return None;
        }
        let le: Vec<&Matcher> = matchers.iter().filter(|m| m.name == "le").collect();
        let without_le = le.iter().all(|m| m.matches(""));
        let base = labels.metric_name();
        let named = |suffix: &str| {
            let mut names = matchers.iter().filter(|m| m.name == METRIC_NAME).peekable();
            names.peek().is_none() || {
                let name = format!("{base}{suffix}");
                names.all(|m| m.matches(&name))
            }
        };
        let forms = Self {
            plain: without_le && named(""),
            count: without_le && named("_count"),
            sum: without_le && named("_sum"),
            buckets: (kind == SeriesKind::Histogram && named("_bucket")).then(|| le.into_iter().cloned().collect()),
        };
        (forms.plain || forms.count || forms.sum || forms.buckets.is_some()).then_some(forms)
    }

    /// Whether the bucket with this `le` is wanted.
    pub(super) fn wants_bucket(&self, le: &str) -> bool {
        self.buckets.as_ref().is_some_and(|matchers| matchers.iter().all(|m| m.matches(le)))
    }
}

/// The labels of a derived series.
pub(super) fn derived(labels: &Labels, suffix: &str) -> Labels {
    labels.with(METRIC_NAME, &format!("{}{suffix}", labels.metric_name()))
}

/// The labels of a bucket.
pub(super) fn bucket(labels: &Labels, le: &str) -> Labels {
    derived(labels, "_bucket").with("le", le)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MatchOp;

    #[test]
    fn names_and_le_choose_the_forms() {
        let labels = Labels::metric("x", [("route", "/a")]);
        let forms = |m: &[Matcher]| Forms::of(&labels, SeriesKind::Histogram, m);
        let name = |v: &str| Matcher::equal(METRIC_NAME, v);
        let regex = |n: &str, v: &str| Matcher::new(n, MatchOp::Regex, v).unwrap();
        assert!(forms(&[name("x")]).is_some_and(|f| f.plain && !f.count && f.buckets.is_none()));
        assert!(forms(&[name("x_count")]).is_some_and(|f| !f.plain && f.count && !f.sum));
        let all = forms(&[Matcher::equal("route", "/a")]).unwrap();
        assert!(all.plain && all.count && all.sum && all.wants_bucket("0.5"));
        let some = forms(&[regex(METRIC_NAME, "x.*"), Matcher::equal("le", "0.5")]).unwrap();
        assert!(!some.plain && !some.count && some.wants_bucket("0.5") && !some.wants_bucket("+Inf"));
        assert!(forms(&[name("x_total")]).is_none());
        assert!(forms(&[name("x"), Matcher::equal("route", "/b")]).is_none());
    }
}
