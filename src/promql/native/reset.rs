//! Whether a counter began anew between two histograms.

use super::{coarsen, custom, is_custom, widen_zero};
use crate::sketch::{NativeBuckets, NativeHistogram, ResetHint};

/// Whether a counter histogram was reset between `before` and `after`: as `after` itself knows, else when some
/// count went down, or the buckets became finer or the zero bucket narrower, which counting on can not do.
/// Custom buckets are compared at the bounds that both have.
pub fn is_reset(after: &NativeHistogram, before: &NativeHistogram) -> bool {
    match after.reset_hint {
        ResetHint::Reset => true,
        ResetHint::NotReset => false,
        ResetHint::Unknown | ResetHint::Gauge => counts_fell(after, before),
    }
}

fn counts_fell(after: &NativeHistogram, before: &NativeHistogram) -> bool {
    if after.count < before.count || is_custom(after) != is_custom(before) {
        return true;
    }
    if after.custom_bounds != before.custom_bounds {
        let common = custom::common_bounds(&after.custom_bounds, &before.custom_bounds);
        return any_less(&custom::regroup(after, &common), &custom::regroup(before, &common));
    }
    if after.schema > before.schema || after.zero_threshold < before.zero_threshold {
        return true;
    }
    if after.schema == before.schema && after.zero_threshold == before.zero_threshold {
        return any_less(after, before);
    }
    let mut before = coarsen(before, after.schema);
    if before.zero_threshold < after.zero_threshold {
        widen_zero(&mut before, after.zero_threshold);
    }
    before.zero_threshold != after.zero_threshold || any_less(after, &before)
}

fn any_less(after: &NativeHistogram, before: &NativeHistogram) -> bool {
    let side_less = |after: &NativeBuckets, before: &NativeBuckets| {
        let mut rest = after.0.iter().peekable();
        before.0.iter().filter(|b| b.1 > 0.0).any(|(index, count)| {
            while rest.next_if(|a| a.0 < *index).is_some() {}
            rest.next_if(|a| a.0 == *index).is_none_or(|a| a.1 < *count)
        })
    };
    after.zero_count < before.zero_count
        || side_less(&after.positive, &before.positive)
        || side_less(&after.negative, &before.negative)
}
