//! A sequence of samples, each as its difference to what the one before it let expect.
//!
//! ```text
//! head | irregular: second difference of the times, zigzag | not whole: bits XOR the bits before
//! head = (zigzag of the difference of whole values, or 1 if the bits are byte-swapped) << 2
//!   | irregular << 1 | not whole
//! ```
//! A counter that is scraped every ten seconds and grows by less than 16 takes a byte a sample, time and value.
//! Numbers that are not whole take the shorter of two forms: byte-swapped when they are round (their low bits
//! are zero), as they are when they lie close together (their high bits are the same).

use super::codec::{Corrupt, Get, Put, unzigzag, zigzag};

/// What the next sample is written against.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct State {
    time: i64,
    delta: i64,
    bits: u64,
}

impl State {
    /// The last sample's time.
    pub(super) fn time(&self) -> i64 {
        self.time
    }

    /// The last sample's value.
    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }

    /// Writes a sample.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, time: i64, value: f64) {
        let second = (time - self.time).wrapping_sub(self.delta);
        let irregular = u64::from(second != 0) << 1;
        let number = Number::of(self.bits, value);
        match number {
            Number::Whole(difference) => out.put_varint(zigzag(difference) << 2 | irregular),
            Number::Bits { swapped, .. } => out.push(u8::from(swapped) << 2 | irregular as u8 | 1),
        }
        if irregular != 0 {
            out.put_zigzag(second);
        }
        if let Number::Bits { bits, .. } = number {
            out.put_varint(bits);
        }
        self.step(time, value.to_bits());
    }

    /// Reads a sample.
    pub(super) fn get(&mut self, from: &mut Get<'_>) -> Result<(i64, f64), Corrupt> {
        let head = from.varint()?;
        let second = if head & 2 != 0 { from.zigzag()? } else { 0 };
        let time = self.time.wrapping_add(self.delta.wrapping_add(second));
        let bits = match head & 1 {
            0 => whole(self.bits, unzigzag(head >> 2))?,
            _ if head & 4 != 0 => self.bits ^ from.varint()?.swap_bytes(),
            _ => self.bits ^ from.varint()?,
        };
        self.step(time, bits);
        Ok((time, f64::from_bits(bits)))
    }

    /// Reads samples. Those that come at the pace of the ones before and are whole numbers, which is most of what is
    /// stored, stay integers on the way.
    pub(super) fn run(
        &mut self,
        from: &mut Get<'_>,
        count: usize,
        mut each: impl FnMut(i64, f64),
    ) -> Result<(), Corrupt> {
        let mut left = count;
        while left > 0 {
            if let Some(mut value) = as_whole(f64::from_bits(self.bits)).filter(|_| self.time != 0) {
                while left > 0
                    && let Some(difference) = short_difference(from, 2)
                {
                    self.time = self.time.wrapping_add(self.delta);
                    value += difference;
                    each(self.time, value as f64);
                    left -= 1;
                }
                self.bits = checked_whole(Some(value))?;
            }
            if left > 0 {
                let (time, value) = self.get(from)?;
                each(time, value);
                left -= 1;
            }
        }
        Ok(())
    }

    fn step(&mut self, time: i64, bits: u64) {
        // The first sample's distance from zero lets nothing expect.
        self.delta = if self.time == 0 { 0 } else { time.wrapping_sub(self.time) };
        (self.time, self.bits) = (time, bits);
    }
}

/// Values alone, in the same form without the times.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Values(u64);

impl Values {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, value: f64) {
        match Number::of(self.0, value) {
            Number::Whole(difference) => out.put_varint(zigzag(difference) << 1),
            Number::Bits { swapped, bits } => {
                out.push(u8::from(swapped) << 1 | 1);
                out.put_varint(bits);
            }
        }
        self.0 = value.to_bits();
    }

    pub(super) fn get(&mut self, from: &mut Get<'_>) -> Result<f64, Corrupt> {
        let head = from.varint()?;
        self.0 = match head & 1 {
            0 => whole(self.0, unzigzag(head >> 1))?,
            _ if head & 2 != 0 => self.0 ^ from.varint()?.swap_bytes(),
            _ => self.0 ^ from.varint()?,
        };
        Ok(f64::from_bits(self.0))
    }
}

impl Values {
    /// Reads `skipped` values that nobody wants, then appends the next `wanted` ones.
    pub(super) fn get_some(
        &mut self,
        from: &mut Get<'_>,
        skipped: usize,
        wanted: usize,
        out: &mut Vec<f64>,
    ) -> Result<(), Corrupt> {
        self.run(from, skipped, |_| {})?;
        // A value takes a byte at least: what claims more is damaged, and must not reserve memory.
        out.reserve(wanted.min(from.0.len()));
        self.run(from, wanted, |value| out.push(value))
    }

    /// Differences of whole numbers that follow on each other, which is most of what is stored, stay integers on
    /// the way.
    fn run(&mut self, from: &mut Get<'_>, count: usize, mut each: impl FnMut(f64)) -> Result<(), Corrupt> {
        let mut left = count;
        while left > 0 {
            if let Some(mut value) = as_whole(f64::from_bits(self.0)) {
                while left > 0
                    && let Some(difference) = short_difference(from, 1)
                {
                    value += difference;
                    each(value as f64);
                    left -= 1;
                }
                self.0 = checked_whole(Some(value))?;
            }
            if left > 0 {
                each(self.get(from)?);
                left -= 1;
            }
        }
        Ok(())
    }
}

/// A difference of whole numbers that is written in one byte or two above so many flags, none of which is set, if that
/// is what comes next.
#[inline]
fn short_difference(from: &mut Get<'_>, flags: u32) -> Option<i64> {
    let (head, length) = match from.0 {
        [byte, ..] if *byte < 0x80 => (u64::from(*byte), 1),
        [low, high, ..] if *high < 0x80 => (u64::from(*low & 0x7f) | u64::from(*high) << 7, 2),
        _ => return None,
    };
    if head & ((1 << flags) - 1) != 0 {
        return None;
    }
    from.0 = from.0.get(length..)?;
    Some(unzigzag(head >> flags))
}

/// A value as it is written.
#[derive(Clone, Copy)]
enum Number {
    /// Both it and the one before are whole: the difference.
    Whole(i64),
    /// The bits that differ.
    Bits { swapped: bool, bits: u64 },
}

impl Number {
    fn of(before: u64, value: f64) -> Self {
        if let (Some(before), Some(value)) = (as_whole(f64::from_bits(before)), as_whole(value)) {
            return Self::Whole(value - before);
        }
        let bits = before ^ value.to_bits();
        let swapped = bits.swap_bytes() < bits;
        Self::Bits { swapped, bits: if swapped { bits.swap_bytes() } else { bits } }
    }
}

/// The whole number that a float is exactly, if it is one (negative zero is none).
fn as_whole(v: f64) -> Option<i64> {
    let whole = v as i64;
    ((whole as f64).to_bits() == v.to_bits() && whole.unsigned_abs() < 1 << 53).then_some(whole)
}

fn whole(before: u64, difference: i64) -> Result<u64, Corrupt> {
    let before = as_whole(f64::from_bits(before)).ok_or(Corrupt)?;
    checked_whole(before.checked_add(difference))
}

/// The bits of a whole number that a float can be exactly.
fn checked_whole(value: Option<i64>) -> Result<u64, Corrupt> {
    let value = value.filter(|v| v.unsigned_abs() < 1 << 53).ok_or(Corrupt)?;
    Ok((value as f64).to_bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_come_back(steps in prop::collection::vec((0i64..30_000, any::<u64>(), 0u8..3), 0..100)) {
            let (mut out, mut values) = (Vec::new(), Vec::new());
            let (mut state, mut alone) = (State::default(), Values::default());
            let mut time = 1_763_640_000_000;
            let mut expected = Vec::new();
            for (step, bits, kind) in steps {
                time += step;
                let value = match kind {
                    0 => f64::from_bits(bits),
                    1 => (bits % 100_000) as f64,
                    _ => (bits % 100_000) as f64 / 8.0,
                };
                state.put(&mut out, time, value);
                alone.put(&mut values, value);
                expected.push((time, value.to_bits()));
            }
            let (mut from, mut state) = (Get(&out), State::default());
            let (mut from_values, mut alone) = (Get(&values), Values::default());
            for (time, bits) in expected.iter().copied() {
                let (t, v) = state.get(&mut from).unwrap();
                prop_assert_eq!((t, v.to_bits()), (time, bits));
                prop_assert_eq!(alone.get(&mut from_values).unwrap().to_bits(), bits);
            }
            let mut run = Vec::new();
            State::default().run(&mut Get(&out), expected.len(), |t, v| run.push((t, v.to_bits()))).unwrap();
            prop_assert_eq!(&run, &expected);
            let skipped = expected.len() / 3;
            let mut some = Vec::new();
            let wanted = expected.len() - skipped;
            Values::default().get_some(&mut Get(&values), skipped, wanted, &mut some).unwrap();
            let bits: Vec<u64> = some.into_iter().map(f64::to_bits).collect();
            prop_assert_eq!(bits, expected[skipped..].iter().map(|s| s.1).collect::<Vec<_>>());
            prop_assert!(from.is_empty() && from_values.is_empty());
        }

        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let (mut from, mut state) = (Get(&bytes), State::default());
            while state.get(&mut from).is_ok() {}
            let (mut from, mut values) = (Get(&bytes), Values::default());
            while values.get(&mut from).is_ok() {}
            let _any = State::default().run(&mut Get(&bytes), 100, |_, _| ());
            let _any = Values::default().get_some(&mut Get(&bytes), 3, 100, &mut Vec::new());
        }
    }

    #[test]
    fn a_regular_counter_takes_a_byte_a_sample() {
        let (mut out, mut state) = (Vec::new(), State::default());
        for i in 0..100 {
            state.put(&mut out, 1_763_640_000_123 + 10_000 * i, (7 * i) as f64);
        }
        assert!(out.len() < 112, "{} bytes", out.len());
    }
}
