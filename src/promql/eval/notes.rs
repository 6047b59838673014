//! What an evaluation remarks, each remark once.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::base::Labels;
use crate::promql::value::{Answer, Value};

/// Remarks are capped: a query over many series would repeat itself.
const MAX_NOTES: usize = 20;

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

    pub(in crate::promql) fn check_quantile(&self, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            self.warn(format!("quantile value should be between 0 and 1, got {q}"));
        }
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

    pub(in crate::promql) fn into_answer(self, value: Value) -> Answer {
        let list = |notes: RefCell<BTreeSet<String>>| notes.into_inner().into_iter().collect();
        Answer { value, warnings: list(self.warnings), infos: list(self.infos) }
    }
}

fn insert(notes: &RefCell<BTreeSet<String>>, text: String) {
    let mut notes = notes.borrow_mut();
    if notes.len() < MAX_NOTES {
        notes.insert(text);
    }
}
