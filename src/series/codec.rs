//! The byte forms that journal, ticks and chunks share: LEB128 variable-length integers, zigzag for signed
//! ones, length-prefixed strings, little-endian IEEE 754.
//!
//! A number that is a small whole one (most counters and counts are) takes `varint(n << 1)`; any other
//! takes the byte 1 and eight bytes. A histogram is written sparsely: its sum, its zeros, then pairs of
//! (index difference, count) for buckets and for exact counts; its bounds go once into a [`BoundsTable`]
//! that precedes it.

use crate::base::Labels;
use crate::sketch::{Bounds, Histogram};

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("stored bytes end early or contradict themselves")]
pub struct Corrupt;

/// Small numbers of either sign as small numbers.
pub(super) const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// What [`zigzag`] was made of.
pub(super) const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Appends to a byte vector.
pub(super) trait Put {
    fn put_varint(&mut self, n: u64);
    fn put_zigzag(&mut self, n: i64);
    fn put_f64(&mut self, v: f64);
    fn put_number(&mut self, v: f64);
    fn put_str(&mut self, s: &str);
    fn put_labels(&mut self, labels: &Labels);
    fn put_histogram(&mut self, h: &Histogram, bounds: usize);
}

impl Put for Vec<u8> {
    fn put_varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.push(n as u8);
    }

    fn put_zigzag(&mut self, n: i64) {
        self.put_varint(zigzag(n));
    }

    fn put_f64(&mut self, v: f64) {
        self.extend_from_slice(&v.to_le_bytes());
    }

    fn put_number(&mut self, v: f64) {
        let whole = v as u64;
        if v.is_sign_positive() && whole < 1 << 53 && whole as f64 == v {
            self.put_varint(whole << 1);
        } else {
            self.push(1);
            self.put_f64(v);
        }
    }

    fn put_str(&mut self, s: &str) {
        self.put_varint(s.len() as u64);
        self.extend_from_slice(s.as_bytes());
    }

    fn put_labels(&mut self, labels: &Labels) {
        self.put_varint(labels.len() as u64);
        for (name, value) in labels.iter() {
            self.put_str(name);
            self.put_str(value);
        }
    }

    fn put_histogram(&mut self, h: &Histogram, bounds: usize) {
        let (zero, buckets) = h.exponential();
        let buckets: Vec<(i32, u64)> = buckets.collect();
        self.put_varint(bounds as u64);
        self.put_number(h.sum());
        self.put_varint(zero);
        self.put_varint(buckets.len() as u64);
        let mut last = 0;
        for (index, count) in buckets {
            self.put_zigzag(i64::from(index - last));
            self.put_varint(count);
            last = index;
        }
        let exact = h.exact().iter().enumerate().filter(|(_, c)| **c > 0);
        self.put_varint(exact.clone().count() as u64);
        let mut last = 0;
        for (index, count) in exact {
            self.put_varint((index - last) as u64);
            self.put_varint(*count);
            last = index;
        }
    }
}

/// Reads from bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Get<'a>(pub(super) &'a [u8]);

impl<'a> Get<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8], Corrupt> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Corrupt)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Corrupt> {
        let (first, rest) = self.0.split_first().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Most are a byte.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Corrupt> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Corrupt> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Corrupt);
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(Corrupt)
    }

    /// A count of things that each take at least one byte, so that no allocation outgrows the input.
    pub(super) fn count(&mut self) -> Result<usize, Corrupt> {
        let n = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        (n <= self.0.len()).then_some(n).ok_or(Corrupt)
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Corrupt> {
        self.varint().map(unzigzag)
    }

    pub(super) fn f64(&mut self) -> Result<f64, Corrupt> {
        let bytes: [u8; 8] = self.bytes(8)?.try_into().map_err(|_| Corrupt)?;
        Ok(f64::from_le_bytes(bytes))
    }

    pub(super) fn number(&mut self) -> Result<f64, Corrupt> {
        let n = self.varint()?;
        if n & 1 == 0 { Ok((n >> 1) as f64) } else { self.f64() }
    }

    pub(super) fn str(&mut self) -> Result<&'a str, Corrupt> {
        let n = self.count()?;
        std::str::from_utf8(self.bytes(n)?).map_err(|_| Corrupt)
    }

    pub(super) fn labels(&mut self) -> Result<Labels, Corrupt> {
        let n = self.count()?;
        let mut pairs = Vec::with_capacity(n);
        for _ in 0..n {
            pairs.push((self.str()?, self.str()?));
        }
        Ok(Labels::new(pairs))
    }

    pub(super) fn histogram(&mut self, table: &BoundsTable) -> Result<Histogram, Corrupt> {
        let bounds = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        let bounds = table.0.get(bounds).ok_or(Corrupt)?.clone();
        let (sum, zero) = (self.number()?, self.varint()?);
        let n = self.count()?;
        let mut buckets = Vec::with_capacity(n);
        let mut index = 0i32;
        for _ in 0..n {
            let step = i32::try_from(self.zigzag()?).map_err(|_| Corrupt)?;
            index = index.checked_add(step).filter(|i| i.abs() < 1 << 16).ok_or(Corrupt)?;
            buckets.push((index, self.varint()?));
        }
        let exact = self.exact(bounds.as_slice().len())?;
        Histogram::from_parts(sum, zero, buckets, bounds, exact).ok_or(Corrupt)
    }

    fn exact(&mut self, bounds: usize) -> Result<Vec<u64>, Corrupt> {
        let mut exact = vec![0u64; bounds];
        let mut index = 0usize;
        for _ in 0..self.count()? {
            let step = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
            index = index.checked_add(step).ok_or(Corrupt)?;
            *exact.get_mut(index).ok_or(Corrupt)? = self.varint()?;
        }
        Ok(exact)
    }
}

/// The distinct bounds that the histograms of one piece of bytes have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BoundsTable(Vec<Bounds>);

impl BoundsTable {
    /// The number of these bounds, entered if they are new.
    pub(super) fn number(&mut self, bounds: &Bounds) -> usize {
        if let Some(i) = self.0.iter().rposition(|b| b == bounds) {
            return i;
        }
        self.0.push(bounds.clone());
        self.0.len() - 1
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_varint(self.0.len() as u64);
        for bounds in &self.0 {
            out.put_varint(bounds.as_slice().len() as u64);
            bounds.as_slice().iter().for_each(|b| out.put_f64(*b));
        }
    }

    pub(super) fn get(from: &mut Get<'_>) -> Result<Self, Corrupt> {
        let n = from.count()?;
        let mut table = Vec::with_capacity(n);
        for _ in 0..n {
            let bounds: Vec<f64> = (0..from.count()?).map(|_| from.f64()).collect::<Result<_, _>>()?;
            table.push(Bounds::new(bounds).map_err(|_| Corrupt)?);
        }
        Ok(Self(table))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(n: u64, i: i64, bits: u64, small in 0u32..100_000) {
            let v = f64::from_bits(bits);
            let mut out = Vec::new();
            out.put_varint(n);
            out.put_zigzag(i);
            out.put_number(v);
            out.put_number(f64::from(small));
            let mut get = Get(&out);
            prop_assert_eq!(get.varint(), Ok(n));
            prop_assert_eq!(get.zigzag(), Ok(i));
            prop_assert_eq!(get.number().map(f64::to_bits), Ok(v.to_bits()));
            prop_assert_eq!(get.number(), Ok(f64::from(small)));
            prop_assert!(get.is_empty());
        }

        #[test]
        fn histograms_come_back(values in prop::collection::vec(0.0f64..100.0, 0..50)) {
            let bounds = Bounds::new([0.1, 1.0, 10.0]).unwrap();
            let mut histogram = Histogram::new(bounds.clone());
            values.iter().for_each(|v| histogram.observe(*v));
            let mut table = BoundsTable::default();
            let mut out = Vec::new();
            let number = table.number(&bounds);
            out.put_histogram(&histogram, number);
            prop_assert_eq!(Get(&out).histogram(&table), Ok(histogram));
        }

        #[test]
        fn rubbish_is_refused_or_read_but_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut table = BoundsTable::default();
            table.number(&Bounds::new([0.1, 1.0]).unwrap());
            let _histogram = Get(&bytes).histogram(&table);
            let _labels = Get(&bytes).labels();
            let _table = BoundsTable::get(&mut Get(&bytes));
        }
    }
}
