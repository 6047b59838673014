//! The samples of one series of ours in all the forms that are wanted.

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::promql::{FloatsBuilder, SeriesSamples};
use crate::sketch::{Histogram, NativeHistogram, format_le};

use super::super::total::Total;
use super::forms::{Forms, bucket, derived};

type Pairs = Vec<(Timestamp, f64)>;

/// Collects the samples of one series in all wanted forms.
pub(super) struct Collector {
    forms: Arc<Forms>,
    plain: Pairs,
    native: Vec<(Timestamp, Arc<NativeHistogram>)>,
    count: Pairs,
    sum: Pairs,
    /// By bound, ascending; `None`: not wanted.
    buckets: Vec<(f64, Option<(String, Pairs)>)>,
}

impl Collector {
    pub(super) fn new(forms: Arc<Forms>) -> Self {
        Self { forms, plain: Vec::new(), native: Vec::new(), count: Vec::new(), sum: Vec::new(), buckets: Vec::new() }
    }

    pub(super) fn push(&mut self, at: Timestamp, total: &Total, changed: bool) {
        match total {
            Total::Counter(v) => self.plain.push((at, *v)),
            Total::Histogram(h) => self.histogram(at, h, changed),
        }
    }

    fn histogram(&mut self, at: Timestamp, h: &Histogram, changed: bool) {
        if self.forms.plain {
            let same = self.native.last().filter(|_| !changed).map(|(_, n)| n.clone());
            self.native.push((at, same.unwrap_or_else(|| Arc::new(h.to_native()))));
        }
        if self.forms.count {
            self.count.push((at, h.count() as f64));
        }
        if self.forms.sum {
            self.sum.push((at, h.sum()));
        }
        if self.forms.buckets.is_some() {
            for (bound, count) in h.cumulative().chain([(f64::INFINITY, h.count())]) {
                self.bucket(bound, at, count);
            }
        }
    }

    fn bucket(&mut self, bound: f64, at: Timestamp, count: u64) {
        let place = match self.buckets.binary_search_by(|(b, _)| b.total_cmp(&bound)) {
            Ok(place) => place,
            Err(place) => {
                let le = format_le(bound);
                let wanted = self.forms.wants_bucket(&le).then(|| (le, Pairs::new()));
                self.buckets.insert(place, (bound, wanted));
                place
            }
        };
        if let Some((_, floats)) = &mut self.buckets[place].1 {
            floats.push((at, count as f64));
        }
    }

    pub(super) fn finish(self, labels: &Labels, builder: &mut FloatsBuilder) -> Vec<SeriesSamples> {
        let mut floats = |labels, pairs: Pairs| {
            pairs.into_iter().for_each(|(at, value)| builder.push(at, value));
            SeriesSamples { labels, floats: builder.finish(), histograms: Vec::new() }
        };
        let mut out = vec![SeriesSamples { histograms: self.native, ..floats(labels.clone(), self.plain) }];
        if self.forms.count {
            out.push(floats(derived(labels, "_count"), self.count));
        }
        if self.forms.sum {
            out.push(floats(derived(labels, "_sum"), self.sum));
        }
        let buckets = self.buckets.into_iter().filter_map(|(_, wanted)| wanted);
        out.extend(buckets.map(|(le, values)| floats(bucket(labels, &le), values)));
        out
    }
}
