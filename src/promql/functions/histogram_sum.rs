//! Sums and means of native histograms, shared by aggregations over series and over time.

use std::sync::Arc;

use crate::base::Labels;
use crate::promql::eval::Notes;
use crate::promql::native::{self, Incompatible, Remarks};
use crate::promql::value::Point;
use crate::sketch::{NativeHistogram, ResetHint};

/// A sum under way. It comes to nothing when exponential and custom buckets meet.
#[derive(Debug, Clone)]
pub(in crate::promql) struct HistogramSum {
    total: Result<NativeHistogram, Incompatible>,
    bounds_differed: bool,
    reset: bool,
    not_reset: bool,
}

impl HistogramSum {
    pub(in crate::promql) fn of(first: &NativeHistogram) -> Self {
        let mut sum = Self { total: Ok(first.clone()), bounds_differed: false, reset: false, not_reset: false };
        sum.track(first);
        sum
    }

    fn track(&mut self, h: &NativeHistogram) {
        self.reset |= h.reset_hint == ResetHint::Reset;
        self.not_reset |= h.reset_hint == ResetHint::NotReset;
    }

    pub(in crate::promql) fn add(&mut self, h: &NativeHistogram) {
        self.track(h);
        let Ok(total) = &mut self.total else { return };
        match native::add(total, h) {
            Ok(remarks) => self.bounds_differed |= remarks.bounds_differed,
            Err(error) => self.total = Err(error),
        }
    }

    pub(in crate::promql) fn divide(&mut self, by: f64) {
        if let Ok(total) = &mut self.total {
            native::divide(total, by);
        }
    }

    /// The sum, with what is to say of it; `labels` name the metric.
    pub(in crate::promql) fn finish(self, labels: &Labels, notes: &Notes) -> Option<Point> {
        let resets_conflicted = self.reset && self.not_reset;
        notes.remarks(Remarks { bounds_differed: self.bounds_differed, resets_conflicted }, "aggregation");
        match self.total {
            Ok(total) => Some(Point::Histogram(Arc::new(total))),
            Err(Incompatible) => {
                notes.mixed_schemas(labels);
                None
            }
        }
    }
}
