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
            map.serialize_entry("buckets", &Buckets(&buckets, native::is_custom(self.0)))?;
        }
        map.end()
    }
}

/// The buckets, and whether their bounds are custom.
struct Buckets<'a>(&'a [native::Bucket], bool);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for bucket in self.0 {
            list.serialize_element(&BucketJson(bucket, self.1))?;
        }
        list.end()
    }
}

struct BucketJson<'a>(&'a native::Bucket, bool);

impl BucketJson<'_> {
    /// Which ends belong to the bucket: 0 the upper, 1 the lower, 3 both.
    fn boundaries(&self) -> u8 {
        match (self.1, self.0) {
            (true, bucket) if bucket.lower == f64::NEG_INFINITY => 3,
            (true, _) => 0,
            (false, bucket) if bucket.holds_zero() => 3,
            (false, bucket) if bucket.upper <= 0.0 => 1,
            (false, _) => 0,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sketch::{CUSTOM_SCHEMA, NativeBuckets, ResetHint};

    #[test]
    fn custom_bounds_belong_to_the_bucket_below_them() {
        let histogram = NativeHistogram {
            schema: CUSTOM_SCHEMA,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 6.0,
            sum: 1.5,
            positive: NativeBuckets(vec![(0, 1.0), (1, 2.0), (2, 3.0)]),
            negative: NativeBuckets::default(),
            custom_bounds: [-1.0, 0.5].into(),
            reset_hint: ResetHint::default(),
        };
        let buckets = json!([[3, "-Inf", "-1", "1"], [0, "-1", "0.5", "2"], [0, "0.5", "+Inf", "3"]]);
        assert_eq!(serde_json::to_value(HistogramJson(&histogram)).unwrap()["buckets"], buckets);
    }
}
