//! What an evaluation remarks, each remark once.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::base::Labels;
use crate::promql::format::format_short;
use crate::promql::native::Remarks;
use crate::promql::value::{Answer, Value};

/// So many remarks of each kind are shown, the others counted (Prometheus's API).
const SHOWN: usize = 10;
/// So many are kept: a query over many series would repeat itself.
const KEPT: usize = 1000;

#[derive(Debug, Default)]
pub(in crate::promql) struct Notes {
    warnings: RefCell<BTreeSet<String>>,
    infos: RefCell<BTreeSet<String>>,
}

impl Notes {
    pub(in crate::promql) fn warn(&self, text: impl Into<String>) {
        insert(&self.warnings, format!("PromQL warning: {}", text.into()));
    }

    pub(in crate::promql) fn info(&self, text: impl Into<String>) {
        insert(&self.infos, format!("PromQL info: {}", text.into()));
    }

    pub(in crate::promql) fn mixed_samples(&self, labels: &Labels) {
        let name = labels.metric_name();
        self.warn(format!("encountered a mix of histograms and floats for metric name {name:?}"));
    }

    /// A warning that names the metric when there is a name.
    pub(in crate::promql) fn of_metric(&self, text: impl Into<String>, labels: &Labels) {
        match labels.metric_name() {
            "" => self.warn(text),
            name => self.warn(format!("{} for metric name {name:?}", text.into())),
        }
    }

    pub(in crate::promql) fn mixed_histograms(&self, labels: &Labels) {
        self.of_metric("vector contains a mix of classic and native histograms", labels);
    }

    pub(in crate::promql) fn mixed_schemas(&self, labels: &Labels) {
        let name = labels.metric_name();
        self.warn(format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name:?}"
        ));
    }

    pub(in crate::promql) fn not_a_counter(&self, labels: &Labels) {
        self.warn(format!("this native histogram metric is not a counter: {:?}", labels.metric_name()));
    }

    pub(in crate::promql) fn not_a_gauge(&self, labels: &Labels) {
        self.warn(format!("this native histogram metric is not a gauge: {:?}", labels.metric_name()));
    }

    /// A function of floats met histograms among them.
    pub(in crate::promql) fn ignored_in_range(&self, labels: &Labels) {
        let name = labels.metric_name();
        self.info(format!(
            "ignored histograms in a range containing both floats and histograms for metric name {name:?}"
        ));
    }

    pub(in crate::promql) fn ignored_in_aggregation(&self, aggregation: &str) {
        self.info(format!("ignored histogram in {aggregation} aggregation"));
    }

    /// Custom bounds were not the same in `addition`, `subtraction` or `aggregation`.
    pub(in crate::promql) fn bounds_differed(&self, operation: &str) {
        self.info(format!("mismatched custom buckets were reconciled during {operation}"));
    }

    /// What adding or subtracting histograms had to put up with.
    pub(in crate::promql) fn remarks(&self, remarks: Remarks, operation: &str) {
        if remarks.bounds_differed {
            self.bounds_differed(operation);
        }
        if remarks.resets_conflicted {
            self.warn(format!("conflicting counter resets during histogram {operation}"));
        }
    }

    pub(in crate::promql) fn check_quantile(&self, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            self.warn(format!("quantile value should be between 0 and 1, got {}", format_short(q)));
        }
    }

    pub(in crate::promql) fn vain_sort(&self) {
        self.warn("sort is ineffective for range queries since results are always ordered by labels");
    }

    /// The ratio of `limit_ratio` within its bounds.
    pub(in crate::promql) fn checked_ratio(&self, ratio: f64) -> f64 {
        let capped = ratio.clamp(-1.0, 1.0);
        if capped != ratio {
            let (got, to) = (format_short(ratio), format_short(capped));
            self.warn(format!("ratio value should be between -1 and 1, got {got}, capping to {to}"));
        }
        capped
    }

    /// `rate` of something that by its name is no counter.
    pub(in crate::promql) fn check_counter_name(&self, name: &str) {
        let known = ["_total", "_sum", "_count", "_bucket"];
        if !name.is_empty() && !known.iter().any(|suffix| name.ends_with(suffix)) {
            self.info(format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            ));
        }
    }

    /// Adds what another evaluation remarked.
    pub(in crate::promql) fn add(&self, other: Self) {
        other.warnings.into_inner().into_iter().for_each(|text| insert(&self.warnings, text));
        other.infos.into_inner().into_iter().for_each(|text| insert(&self.infos, text));
    }

    pub(in crate::promql) fn into_answer(self, value: Value) -> Answer {
        Answer { value, warnings: listed(self.warnings, "warning"), infos: listed(self.infos, "info") }
    }
}

fn listed(notes: RefCell<BTreeSet<String>>, kind: &str) -> Vec<String> {
    let all = notes.into_inner();
    let omitted = all.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = all.into_iter().take(SHOWN).collect();
    if omitted > 0 {
        shown.push(format!("{omitted} more {kind} annotations omitted"));
    }
    shown
}

fn insert(notes: &RefCell<BTreeSet<String>>, text: String) {
    let mut notes = notes.borrow_mut();
    if notes.len() < KEPT {
        notes.insert(text);
    }
}
