//! A native histogram of others in bytes: whole, or as its difference to the one before.
//!
//! ```text
//! flags (1: difference, 2: counts are whole numbers, 4: stale, nothing follows)
//! | whole: schema, zero threshold, zero count, count, sum; positive and negative buckets
//! | difference: zero count, count (beyond what zero count and buckets grew), sum bits XOR, buckets that changed
//! buckets: how many, then for each (index difference << 1 | is it not 1), and if so the count
//! ```
//! Cumulative histograms mostly grow by one in a few buckets, which then take a byte each. Counts that are not
//! whole take eight bytes, and in a difference are the new counts themselves. A histogram is written whole when
//! there is none before it, when schema or zero threshold changed, and when something fell: a reset.

use std::sync::Arc;

use crate::promql::source::{STALE_NAN, is_stale};
use crate::sketch::{NativeBuckets, NativeHistogram};

use super::codec::{Corrupt, Get, Put};

const DIFFERENCE: u8 = 1;
const WHOLE_COUNTS: u8 = 2;
const STALE: u8 = 4;
/// Above this a floating-point number does not hold every whole one.
const MAX_WHOLE: f64 = (1u64 << 53) as f64;
/// A side has at most this many buckets: what the finest schema needs for every positive number and some.
const MAX_BUCKETS: usize = 1 << 20;

/// What a decoder or encoder remembers between two histograms of a series.
pub(super) type Before = Option<Arc<NativeHistogram>>;

/// The marker that ends a series.
pub(super) fn stale_marker() -> NativeHistogram {
    NativeHistogram {
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 0.0,
        sum: f64::from_bits(STALE_NAN),
        positive: NativeBuckets::default(),
        negative: NativeBuckets::default(),
    }
}

/// Appends a histogram; `before` is the one that [`get`] will have read just before.
pub(super) fn put(out: &mut Vec<u8>, h: &NativeHistogram, before: Option<&NativeHistogram>) {
    if is_stale(h.sum) {
        return out.push(STALE);
    }
    let whole = if counts(h).all(is_whole) { WHOLE_COUNTS } else { 0 };
    match before.filter(|b| fits(b, h, whole != 0)) {
        Some(before) => {
            out.push(whole | DIFFERENCE);
            put_difference(out, h, before, whole != 0);
        }
        None => {
            out.push(whole);
            put_whole(out, h, whole != 0);
        }
    }
}

/// Reads what [`put`] wrote.
pub(super) fn get(from: &mut Get<'_>, before: Option<&NativeHistogram>) -> Result<NativeHistogram, Corrupt> {
    let flags = from.byte()?;
    let whole = flags & WHOLE_COUNTS != 0;
    match flags {
        STALE => Ok(stale_marker()),
        f if f & !(WHOLE_COUNTS | DIFFERENCE) != 0 => Err(Corrupt),
        f if f & DIFFERENCE != 0 => get_difference(from, before.ok_or(Corrupt)?, whole),
        _ => get_whole(from, whole),
    }
}

/// What comes after this histogram may be written as a difference to it.
pub(super) fn remembered(h: Arc<NativeHistogram>) -> Before {
    (!is_stale(h.sum)).then_some(h)
}

/// Whether something fell: the sender began anew, or counts in another way.
pub(super) fn is_reset(before: &NativeHistogram, after: &NativeHistogram) -> bool {
    let falls = |before: &NativeBuckets, after: &NativeBuckets| !side_fits(before, after, true);
    after.schema != before.schema
        || after.zero_threshold.to_bits() != before.zero_threshold.to_bits()
        || after.count < before.count
        || after.zero_count < before.zero_count
        || falls(&before.positive, &after.positive)
        || falls(&before.negative, &after.negative)
}

fn counts(h: &NativeHistogram) -> impl Iterator<Item = f64> + '_ {
    let buckets = h.positive.0.iter().chain(&h.negative.0).map(|b| b.1);
    [h.zero_count, h.count].into_iter().chain(buckets)
}

fn is_whole(v: f64) -> bool {
    v.is_sign_positive() && v < MAX_WHOLE && v.fract() == 0.0
}

/// Whether a difference says it all.
fn fits(before: &NativeHistogram, h: &NativeHistogram, whole: bool) -> bool {
    h.schema == before.schema
        && h.zero_threshold.to_bits() == before.zero_threshold.to_bits()
        && side_fits(&before.positive, &h.positive, whole)
        && side_fits(&before.negative, &h.negative, whole)
        && (!whole || (counts(before).all(is_whole) && h.zero_count >= before.zero_count && h.count >= before.count))
}

/// Every bucket of before is there, and of whole counts none is smaller.
fn side_fits(before: &NativeBuckets, side: &NativeBuckets, whole: bool) -> bool {
    let mut rest = side.0.iter();
    before
        .0
        .iter()
        .all(|(index, count)| rest.find(|b| b.0 >= *index).is_some_and(|b| b.0 == *index && (!whole || b.1 >= *count)))
}

fn put_whole(out: &mut Vec<u8>, h: &NativeHistogram, whole: bool) {
    out.put_zigzag(i64::from(h.schema));
    out.put_number(h.zero_threshold);
    put_count(out, h.zero_count, whole);
    put_count(out, h.count, whole);
    out.put_f64(h.sum);
    for side in [&h.positive, &h.negative] {
        put_side(out, side.0.iter().copied(), whole);
    }
}

fn put_difference(out: &mut Vec<u8>, h: &NativeHistogram, before: &NativeHistogram, whole: bool) {
    let positive = changes(&before.positive, &h.positive, whole);
    let negative = changes(&before.negative, &h.negative, whole);
    if whole {
        let zero = h.zero_count - before.zero_count;
        let buckets: f64 = positive.iter().chain(&negative).map(|b| b.1).sum();
        out.put_varint(zero as u64);
        out.put_zigzag((h.count - before.count) as i64 - (zero + buckets) as i64);
    } else {
        out.put_f64(h.zero_count);
        out.put_f64(h.count);
    }
    out.put_f64(f64::from_bits(h.sum.to_bits() ^ before.sum.to_bits()));
    put_side(out, positive.into_iter(), whole);
    put_side(out, negative.into_iter(), whole);
}

/// The buckets that changed, with their growth (whole counts) or their new count.
fn changes(before: &NativeBuckets, side: &NativeBuckets, whole: bool) -> Vec<(i32, f64)> {
    let mut rest = before.0.iter().peekable();
    let changed = side.0.iter().filter_map(|(index, count)| {
        let had = rest.next_if(|b| b.0 == *index).map_or(0.0, |b| b.1);
        (had.to_bits() != count.to_bits()).then_some((*index, if whole { count - had } else { *count }))
    });
    changed.collect()
}

fn put_count(out: &mut Vec<u8>, count: f64, whole: bool) {
    if whole { out.put_varint(count as u64) } else { out.put_f64(count) }
}

fn put_side(out: &mut Vec<u8>, buckets: impl ExactSizeIterator<Item = (i32, f64)>, whole: bool) {
    out.put_varint(buckets.len() as u64);
    let mut next = 0i64;
    for (index, count) in buckets {
        let one = whole && count == 1.0;
        let step = i64::from(index) - next;
        out.put_varint((((step << 1) ^ (step >> 63)) as u64) << 1 | u64::from(!one));
        if !one {
            put_count(out, count, whole);
        }
        next = i64::from(index) + 1;
    }
}

fn get_whole(from: &mut Get<'_>, whole: bool) -> Result<NativeHistogram, Corrupt> {
    let schema = i32::try_from(from.zigzag()?).map_err(|_| Corrupt)?;
    let zero_threshold = from.number()?;
    let (zero_count, count) = (get_count(from, whole)?, get_count(from, whole)?);
    let sum = from.f64()?;
    let (positive, negative) = (get_side(from, whole)?, get_side(from, whole)?);
    Ok(NativeHistogram { schema, zero_threshold, zero_count, count, sum, positive, negative })
}

fn get_difference(from: &mut Get<'_>, before: &NativeHistogram, whole: bool) -> Result<NativeHistogram, Corrupt> {
    let (zero, beyond, count) = match whole {
        true => (from.varint()? as f64, from.zigzag()? as f64, 0.0),
        false => (from.f64()?, 0.0, from.f64()?),
    };
    let sum = f64::from_bits(from.f64()?.to_bits() ^ before.sum.to_bits());
    let (positive, negative) = (get_side(from, whole)?, get_side(from, whole)?);
    let grown: f64 = positive.0.iter().chain(&negative.0).map(|b| b.1).sum();
    Ok(NativeHistogram {
        schema: before.schema,
        zero_threshold: before.zero_threshold,
        zero_count: if whole { before.zero_count + zero } else { zero },
        count: if whole { before.count + zero + grown + beyond } else { count },
        sum,
        positive: changed(&before.positive, positive, whole),
        negative: changed(&before.negative, negative, whole),
    })
}

fn get_count(from: &mut Get<'_>, whole: bool) -> Result<f64, Corrupt> {
    if whole { Ok(from.varint()? as f64) } else { from.f64() }
}

fn get_side(from: &mut Get<'_>, whole: bool) -> Result<NativeBuckets, Corrupt> {
    let n = from.count()?;
    if n > MAX_BUCKETS {
        return Err(Corrupt);
    }
    let mut buckets = Vec::with_capacity(n);
    let mut next = 0i64;
    for i in 0..n {
        let head = from.varint()?;
        let step = ((head >> 2) as i64) ^ -(((head >> 1) & 1) as i64);
        let index = next.checked_add(step).filter(|_| i == 0 || step >= 0).ok_or(Corrupt)?;
        let count = if head & 1 == 0 { 1.0 } else { get_count(from, whole)? };
        buckets.push((i32::try_from(index).map_err(|_| Corrupt)?, count));
        next = index + 1;
    }
    Ok(NativeBuckets(buckets))
}

/// The buckets of before with these changes.
fn changed(before: &NativeBuckets, changes: NativeBuckets, whole: bool) -> NativeBuckets {
    if changes.0.is_empty() {
        return before.clone();
    }
    let mut out = Vec::with_capacity(before.0.len() + changes.0.len());
    let mut rest = before.0.iter().copied().peekable();
    for (index, count) in changes.0 {
        while let Some(bucket) = rest.next_if(|b| b.0 < index) {
            out.push(bucket);
        }
        let had = rest.next_if(|b| b.0 == index).map_or(0.0, |b| b.1);
        out.push((index, if whole { had + count } else { count }));
    }
    out.extend(rest);
    NativeBuckets(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn side(scale: f64) -> impl Strategy<Value = NativeBuckets> {
        prop::collection::btree_map(-300i32..300, 1u32..90, 0..20)
            .prop_map(move |m| NativeBuckets(m.into_iter().map(|(i, c)| (i, f64::from(c) * scale)).collect()))
    }

    fn histogram() -> impl Strategy<Value = NativeHistogram> {
        let scale = prop_oneof![3 => Just(1.0), 1 => Just(0.3)];
        let parts = scale.prop_flat_map(|s| (side(s), side(s), 0u32..5, any::<f64>(), 0u32..3));
        let whole = (parts, 3i32..5).prop_map(|((positive, negative, zero, sum, nans), schema)| {
            let (zero_count, zero_threshold) = (f64::from(zero), 0.001);
            let buckets: f64 = positive.0.iter().chain(&negative.0).map(|b| b.1).sum();
            let count = zero_count + buckets + f64::from(nans);
            NativeHistogram { schema, zero_threshold, zero_count, count, sum, positive, negative }
        });
        prop_oneof![9 => whole, 1 => Just(stale_marker())]
    }

    /// The first grown by the second, as a sender's histogram grows.
    fn grown(before: &NativeHistogram, by: &NativeHistogram) -> NativeHistogram {
        let add = |a: &NativeBuckets, b: &NativeBuckets| changed(a, b.clone(), true);
        NativeHistogram {
            zero_count: before.zero_count + by.zero_count,
            count: before.count + by.count,
            sum: before.sum + by.sum,
            positive: add(&before.positive, &by.positive),
            negative: add(&before.negative, &by.negative),
            ..before.clone()
        }
    }

    fn same(a: &NativeHistogram, b: &NativeHistogram) -> bool {
        let bits = |h: &NativeHistogram| (h.sum.to_bits(), h.count.to_bits(), h.zero_count.to_bits());
        bits(a) == bits(b)
            && (a.schema, a.zero_threshold, &a.positive, &a.negative)
                == (b.schema, b.zero_threshold, &b.positive, &b.negative)
    }

    proptest! {
        #[test]
        fn histograms_come_back(parts in prop::collection::vec((histogram(), any::<bool>()), 1..8)) {
            let mut all: Vec<NativeHistogram> = Vec::new();
            for (part, grow) in parts {
                let next = match all.last() {
                    Some(last) if grow && !is_stale(last.sum) && !is_stale(part.sum) => grown(last, &part),
                    _ => part,
                };
                all.push(next);
            }
            let mut out = Vec::new();
            let mut before: Before = None;
            for h in &all {
                put(&mut out, h, before.as_deref());
                before = remembered(Arc::new(h.clone()));
            }
            let (mut from, mut before) = (Get(&out), None);
            for h in &all {
                let read: NativeHistogram = get(&mut from, Option::as_deref(&before)).unwrap();
                prop_assert!(same(&read, h), "{read:?} is not {h:?}");
                before = remembered(Arc::new(read));
            }
            prop_assert!(from.is_empty());
        }

        #[test]
        fn rubbish_is_refused_or_read_but_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _whole = get(&mut Get(&bytes), None);
            let _difference = get(&mut Get(&bytes), Some(&grown(&stale_marker(), &stale_marker())));
        }
    }

    #[test]
    fn one_more_in_a_few_buckets_takes_a_byte_each() {
        let buckets = |step: i32| NativeBuckets((0..200).map(|i| (i, if i % step == 0 { 6.0 } else { 5.0 })).collect());
        let of = |positive| NativeHistogram { schema: 5, sum: 1.5, count: 1000.0, positive, ..stale_marker() };
        let (before, after) = (of(buckets(201)), of(buckets(10)));
        let mut out = Vec::new();
        put(&mut out, &NativeHistogram { count: 1019.0, ..after }, Some(&before));
        assert!(out.len() < 20 + 14, "{} bytes", out.len());
    }
}
