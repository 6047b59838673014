//! Which of the names of a stored series a selection means.

use crate::base::{Labels, METRIC_NAME, Matcher};

use super::super::total::SeriesKind;

/// The forms of one series that are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::series) struct Forms {
    /// Under its own name.
    pub(in crate::series) plain: bool,
    /// `_count`
    pub(in crate::series) count: bool,
    /// `_sum`
    pub(in crate::series) sum: bool,
    /// `_bucket`, of the bounds whose `le` satisfies all of these.
    pub(in crate::series) buckets: Option<Vec<Matcher>>,
}

impl Forms {
    /// Under its own name only.
    pub(in crate::series) fn plain() -> Self {
        Self { plain: true, ..Self::default() }
    }

    /// The forms of one series that satisfy all matchers, if any does: what the index finds, for series that are
    /// not in it.
    pub(in crate::series) fn of(labels: &Labels, kind: SeriesKind, matchers: &[Matcher]) -> Option<Self> {
        if !kind.has_four_names() {
            return Matcher::all_match(matchers, labels).then(Self::plain);
        }
        let (of_form, of_series): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| Self::is_chosen_by(m));
        let all = of_series.iter().all(|m| m.matches(labels.value(&m.name)));
        all.then(|| Self::of_name(labels.metric_name(), kind, &of_form)).flatten()
    }

    /// Whether a matcher chooses among the forms of a histogram, not among histograms.
    pub(in crate::series) fn is_chosen_by(matcher: &Matcher) -> bool {
        matcher.name == METRIC_NAME || matcher.name == "le"
    }

    /// The forms of a histogram that satisfy all matchers of names and of `le`, if any does.
    pub(in crate::series) fn of_name(base: &str, kind: SeriesKind, of_form: &[&Matcher]) -> Option<Self> {
        let (names, le): (Vec<&Matcher>, Vec<&Matcher>) = of_form.iter().partition(|m| m.name == METRIC_NAME);
        let without_le = le.iter().all(|m| m.matches(""));
        let named = |suffix: &str| {
            names.is_empty() || {
                let name = format!("{base}{suffix}");
                names.iter().all(|m| m.matches(&name))
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
    pub(in crate::series) fn wants_bucket(&self, le: &str) -> bool {
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
