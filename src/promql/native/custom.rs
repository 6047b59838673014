//! Buckets between bounds of one's own choice.

use std::sync::Arc;

use super::Bucket;
use crate::sketch::{NativeBuckets, NativeHistogram};

/// The buckets with a count. The first begins at `-Inf`, the one after the last bound ends at `+Inf`.
pub(super) fn buckets(h: &NativeHistogram) -> Vec<Bucket> {
    let bounds = &h.custom_bounds;
    let bound = |index: i32| usize::try_from(index).ok().and_then(|i| bounds.get(i)).copied();
    let counted = h.positive.0.iter().filter(|b| b.1 != 0.0);
    let bucket = |&(index, count): &(i32, f64)| Bucket {
        lower: bound(index - 1).unwrap_or(if index > 0 { f64::INFINITY } else { f64::NEG_INFINITY }),
        upper: bound(index).unwrap_or(f64::INFINITY),
        count,
    };
    counted.map(bucket).collect()
}

/// The bounds that both have; both ascend.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    a.iter().copied().filter(|bound| b.contains(bound)).collect()
}

/// The same histogram with fewer bounds: each bucket's count goes to the one that contains it.
pub(super) fn regroup(h: &NativeHistogram, bounds: &Arc<[f64]>) -> NativeHistogram {
    let mut joined: Vec<(i32, f64)> = Vec::new();
    for (index, count) in &h.positive.0 {
        let upper = usize::try_from(*index).ok().and_then(|i| h.custom_bounds.get(i)).copied();
        let index = upper.map_or(bounds.len(), |upper| bounds.partition_point(|b| *b < upper)) as i32;
        match joined.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => joined.push((index, *count)),
        }
    }
    NativeHistogram { positive: NativeBuckets(joined), custom_bounds: bounds.clone(), ..h.clone() }
}
