//! Native histograms in query results.

use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};

use crate::promql::format::format_float;
use crate::promql::native;
use crate::sketch::NativeHistogram;

/// `{"count":…,"sum":…,"buckets":[[boundaries, lower, upper, count],…]}`.
pub(super) struct HistogramJson<'a>(pub(super) &'a NativeHistogram);

impl Serialize for HistogramJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets = native::buckets(self.0);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &format_float(self.0.count))?;
        map.serialize_entry("sum", &format_float(self.0.sum))?;
        if !buckets.is_empty() {
            map.serialize_entry("buckets", &Buckets(&buckets))?;
        }
        map.end()
    }
}

struct Buckets<'a>(&'a [native::Bucket]);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for bucket in self.0 {
            list.serialize_element(&BucketJson(bucket))?;
        }
        list.end()
    }
}

struct BucketJson<'a>(&'a native::Bucket);

impl BucketJson<'_> {
    /// Which ends belong to the bucket: 0 the upper, 1 the lower, 3 both.
    fn boundaries(&self) -> u8 {
        if self.0.holds_zero() {
            3
        } else if self.0.upper <= 0.0 {
            1
        } else {
            0
        }
    }
}

impl Serialize for BucketJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(4)?;
        tuple.serialize_element(&self.boundaries())?;
        for value in [self.0.lower, self.0.upper, self.0.count] {
            tuple.serialize_element(&format_float(value))?;
        }
        tuple.end()
    }
}
