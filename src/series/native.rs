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
/// Counts at or above this are not taken for whole ones.
const MAX_WHOLE: f64 = (1u64 << 52) as f64;
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
        ..NativeHistogram::default()
    }
}

/// Appends a histogram; `before` is the one that [`get`] will have read just before.
pub(super) fn put(out: &mut Vec<u8>, h: &NativeHistogram, before: Option<&NativeHistogram>) {
    if is_stale(h.sum) {
        return out.push(STALE);
    }
    let is_counted = is_counted(h);
    let whole = if is_counted { WHOLE_COUNTS } else { 0 };
    match before.and_then(|before| Difference::of(before, h, is_counted)) {
        Some(difference) => {
            out.push(whole | DIFFERENCE);
            difference.put(out, is_counted);
        }
        None => {
            out.push(whole);
            put_whole(out, h, is_counted);
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

fn is_counted(h: &NativeHistogram) -> bool {
    // Without a way out in the middle, because the compiler then takes several at once.
    let all_whole = |buckets: &NativeBuckets| buckets.0.iter().fold(true, |whole, b| whole & is_whole(b.1));
    is_whole(h.zero_count) && is_whole(h.count) && all_whole(&h.positive) && all_whole(&h.negative)
}

/// Below 2⁵² a sum with 2⁵² has no room for a fraction; no larger count is taken for whole.
fn is_whole(v: f64) -> bool {
    v.is_sign_positive() & (v < MAX_WHOLE) & ((v + MAX_WHOLE) - MAX_WHOLE == v)
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

/// What a histogram is beyond the one before.
struct Difference {
    zero_count: f64,
    count: f64,
    sum_bits: u64,
    positive: Vec<(i32, f64)>,
    negative: Vec<(i32, f64)>,
}

impl Difference {
    /// `None` when a difference does not say it all. Of whole counts it holds the growth, of others the new ones.
    fn of(before: &NativeHistogram, h: &NativeHistogram, whole: bool) -> Option<Self> {
        let counts = |before: f64, after: f64| if whole { growth(before, after) } else { Some(after) };
        let is_same_form = h.schema == before.schema && h.zero_threshold.to_bits() == before.zero_threshold.to_bits();
        is_same_form.then_some(())?;
        Some(Self {
            zero_count: counts(before.zero_count, h.zero_count)?,
            count: counts(before.count, h.count)?,
            sum_bits: h.sum.to_bits() ^ before.sum.to_bits(),
            positive: changes(&before.positive, &h.positive, whole)?,
            negative: changes(&before.negative, &h.negative, whole)?,
        })
    }

    fn put(self, out: &mut Vec<u8>, whole: bool) {
        if whole {
            let buckets: f64 = self.positive.iter().chain(&self.negative).map(|b| b.1).sum();
            out.put_varint(self.zero_count as u64);
            out.put_zigzag(self.count as i64 - (self.zero_count + buckets) as i64);
        } else {
            out.put_f64(self.zero_count);
            out.put_f64(self.count);
        }
        out.put_f64(f64::from_bits(self.sum_bits));
        put_side(out, self.positive.into_iter(), whole);
        put_side(out, self.negative.into_iter(), whole);
    }
}

/// What was added to a whole count; `None` when it fell, or was not whole.
fn growth(before: f64, after: f64) -> Option<f64> {
    let by = after - before;
    (by >= 0.0 && is_whole(by) && before + by == after).then_some(by)
}

/// Buckets for which a list of changes has room at once; most have fewer.
const CHANGES: usize = 32;

/// The buckets that changed, with their growth (whole counts) or their new count; `None` when one is gone, or a
/// whole count fell.
fn changes(before: &NativeBuckets, side: &NativeBuckets, whole: bool) -> Option<Vec<(i32, f64)>> {
    let mut changed = Vec::with_capacity(CHANGES.min(side.0.len()));
    let mut rest = before.0.iter();
    let mut next = rest.next();
    for (index, count) in &side.0 {
        let had = match next {
            Some((i, _)) if i < index => return None,
            Some((i, had)) if i == index => {
                next = rest.next();
                *had
            }
            _ => 0.0,
        };
        if had.to_bits() != count.to_bits() {
            changed.push((*index, if whole { growth(had, *count)? } else { *count }));
        }
    }
    next.is_none().then_some(changed)
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
    Ok(NativeHistogram {
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive,
        negative,
        ..NativeHistogram::default()
    })
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
        ..NativeHistogram::default()
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
            NativeHistogram {
                schema,
                zero_threshold,
                zero_count,
                count,
                sum,
                positive,
                negative,
                ..NativeHistogram::default()
            }
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
