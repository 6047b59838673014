//! What the engine reads from.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::floats::Floats;
use crate::base::clock::BoxFuture;
use crate::base::{Labels, Matcher, Timestamp};
use crate::sketch::NativeHistogram;

/// Which samples are wanted: all with `start < t <= end` whose series satisfies every matcher.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// All must match; one of them usually names the metric.
    pub matchers: Vec<Matcher>,
    /// Exclusive.
    pub start: Timestamp,
    /// Inclusive.
    pub end: Timestamp,
}

/// The samples of one series, ascending in time. A series has floats, histograms or, after a change of
/// type, both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesSamples {
    /// With the metric's name.
    pub labels: Labels,
    /// Plain samples; a staleness marker is a NaN with [`STALE_NAN`]'s bits.
    pub floats: Floats,
    /// Histogram samples.
    pub histograms: Vec<(Timestamp, Arc<NativeHistogram>)>,
}

/// The bits of the NaN that marks a series as stale (Prometheus, `model/value/value.go`).
pub const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

/// Whether a sample is a staleness marker.
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN
}

/// Why samples could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The storage failed.
    #[error("stored samples could not be read")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More samples than a query may load.
    #[error("query would load more than {limit} samples")]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// More series than a query may look at.
    #[error(
        "query would look at more than {limit} series that have ended: name the metric with `__name__`, or ask for a \
         shorter or more recent range"
    )]
    TooManySeries {
        /// The limit.
        limit: usize,
    },
}

impl SeriesSamples {
    /// Leaves out staleness markers, which range vectors do not show.
    pub fn drop_stale(&mut self) {
        self.floats.retain(|value| !is_stale(value));
        self.histograms.retain(|sample| !is_stale(sample.1.sum));
    }
}

/// Takes what is read of a selection, some series at a time, perhaps from several threads at once.
pub trait Take: Send + Sync {
    /// Takes some; whether to go on.
    fn take(&self, some: Vec<SeriesSamples>) -> ControlFlow<()>;
}

/// Where samples and labels come from.
pub trait Source: Send + Sync {
    /// The samples of a selection, in no particular order of series.
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>>;

    /// The same, handed on as it is read, in no particular order; each series whole.
    fn select_each<'a>(
        &'a self,
        selection: &'a Selection,
        take: Arc<dyn Take>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let _stops = take.take(self.select(selection).await?);
            Ok(())
        })
    }

    /// The label sets of the series that satisfy all matchers and lived in the range, in no particular order.
    ///
    /// A series lives from its first sample to its last: one with a gap as long as the range may be listed.
    fn series<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>>;

    /// The names of the labels that these series have.
    fn label_names<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<BTreeSet<String>, SourceError>> {
        Box::pin(async {
            let series = self.series(selection).await?;
            Ok(series.iter().flat_map(Labels::iter).map(|(name, _)| name.to_owned()).collect())
        })
    }

    /// The values that one label has in these series.
    fn label_values<'a>(
        &'a self,
        name: &'a str,
        selection: &'a Selection,
    ) -> BoxFuture<'a, Result<BTreeSet<String>, SourceError>> {
        Box::pin(async {
            let series = self.series(selection).await?;
            Ok(series.iter().filter_map(|labels| labels.get(name)).map(str::to_owned).collect())
        })
    }
}
