//! Lines that differ only in their numbers are understood once.
//!
//! A service sends few different lines, and only `duration_ms` (and `ts`) change between them. So a line is
//! cut: the two numbers come out, and what is left, byte for byte, is looked up. When it is known, so is the
//! series of the event, without parsing, checking or normalising anything again.
//!
//! Why that is right: JSON is read from left to right, and a number in it can be replaced by another number
//! without a change to how the rest is read. So a line that equals a known one outside of its numbers means
//! the same outside of its numbers. That the bytes cut out *are* the numbers of these two fields, and not some
//! text that looks like them in a string or in an object inside, is proven when the line is learnt: it is read
//! again with two other numbers in their place, and nothing but the two fields may have changed
//! ([`Templates::learn`]).
//!
//! Lines that never repeat (a trace id in each) would fill the table for nothing, so a line is learnt when it
//! comes the second time. Whatever is unusual (exponents, long numbers, long lines, spaces before a colon) goes
//! the long way and comes out the same.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use memchr::memmem::Finder;
use parking_lot::RwLock;

use crate::base::Labels;

use super::timings::Timing;

/// The longest line that is learnt, in bytes, with the name of the sender's service.
const LINE: usize = 512;
/// How many lines that came once are remembered; a power of two.
const SEEN: usize = 4096;

static DURATION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"duration_ms\":"));
static STAMP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"ts\":"));

/// What stands for a number that was cut out, and ends the service's name: bytes that no JSON holds.
const DURATION_HOLE: u8 = 0;
const STAMP_HOLE: u8 = 1;
const SERVICE_END: u8 = 2;

/// A line without its numbers.
pub(super) struct Cut<'l> {
    line: &'l [u8],
    duration: Number,
    stamp: Option<Number>,
    key: [u8; LINE],
    key_bytes: usize,
}

/// A number of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Number {
    value: f64,
    from: usize,
    to: usize,
}

impl<'l> Cut<'l> {
    /// Cuts a line; `None` when it is not of the usual form. `service` is the one that the sender's key stands
    /// for: it is part of what a line means.
    pub(super) fn new(line: &'l [u8], service: Option<&str>) -> Option<Self> {
        let service = service.unwrap_or_default().as_bytes();
        if line.len() + service.len() >= LINE {
            return None;
        }
        let duration = field(line, &DURATION)?;
        let stamp = match field(line, &STAMP) {
            // One field would be cut twice.
            Some(stamp) if stamp.from == duration.from => return None,
            stamp => stamp,
        };
        let mut cut = Self { line, duration, stamp, key: [0; LINE], key_bytes: 0 };
        cut.push(service);
        cut.push(&[SERVICE_END]);
        cut.with_numbers(&[DURATION_HOLE], &[STAMP_HOLE], |cut, part| cut.push(part));
        Some(cut)
    }

    /// The line with other bytes in place of its numbers, part by part.
    fn with_numbers(&mut self, duration: &[u8], stamp: &[u8], mut put: impl FnMut(&mut Self, &[u8])) {
        let line = self.line;
        let (mut first, mut second) = (Some((self.duration, duration)), self.stamp.map(|s| (s, stamp)));
        if second.is_some_and(|(s, _)| s.from < self.duration.from) {
            std::mem::swap(&mut first, &mut second);
        }
        let mut at = 0;
        for (number, text) in [first, second].into_iter().flatten() {
            put(self, &line[at..number.from]);
            put(self, text);
            at = number.to;
        }
        put(self, &line[at..]);
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.key_bytes + part.len();
        if let Some(place) = self.key.get_mut(self.key_bytes..end) {
            place.copy_from_slice(part);
            self.key_bytes = end;
        }
    }

    fn key(&self) -> &[u8] {
        &self.key[..self.key_bytes]
    }

    /// `duration_ms`
    pub(super) fn duration_ms(&self) -> f64 {
        self.duration.value
    }

    /// `ts`
    pub(super) fn stamp(&self) -> Option<f64> {
        self.stamp.map(|s| s.value)
    }

    /// Whether the line means the same with other numbers, but for these. `timing` is what it means.
    fn is_sound(&mut self, timing: &Timing<'_>) -> bool {
        let mut probe = Vec::with_capacity(LINE);
        self.with_numbers(b"4711.0625", b"1234567.5", |_, part| probe.extend_from_slice(part));
        let mut expected = timing.clone();
        let found = expected.replace_numbers(4711.0625, self.stamp.map(|_| 1_234_567.5));
        found == (Some(self.duration.value), self.stamp())
            && serde_json::from_slice(&probe).is_ok_and(|t: Timing<'_>| t == expected)
    }
}

/// The number after a field's name; `None` when it is not there or not plain.
fn field(line: &[u8], name: &Finder<'_>) -> Option<Number> {
    let mut from = name.find(line)? + name.needle().len();
    while line.get(from) == Some(&b' ') {
        from += 1;
    }
    let (value, length) = plain_number(line.get(from..)?)?;
    Some(Number { value, from, to: from + length })
}

/// Reads a JSON number without sign and exponent that a double holds as serde_json would read it: whole
/// digits below 2⁵³ in all, divided by a power of ten that is exact, so rounded once (Clinger 1990).
fn plain_number(text: &[u8]) -> Option<(f64, usize)> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let digits = |from: usize| text[from..].iter().take(17).take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(0);
    let fraction = if text.get(whole) == Some(&b'.') { digits(whole + 1) } else { 0 };
    let end = if text.get(whole) == Some(&b'.') { whole + 1 + fraction } else { whole };
    let leading_zero = whole > 1 && text[0] == b'0';
    let goes_on = matches!(text.get(end), None | Some(b'.' | b'e' | b'E' | b'+' | b'-' | b'0'..=b'9'));
    if whole == 0 || leading_zero || goes_on || (end > whole && fraction == 0) || whole + fraction > 15 {
        return None;
    }
    let add = |n: u64, b: &u8| n * 10 + u64::from(b - b'0');
    let mantissa = text[..whole].iter().chain(&text[end - fraction..end]).fold(0, add);
    Some((mantissa as f64 / POWERS[fraction], end))
}

/// The known lines, at most a number of them.
#[derive(Debug)]
pub(super) struct Templates {
    most: usize,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    series: std::collections::HashMap<Box<[u8]>, Series, RandomState>,
    /// Hashes of lines that came once.
    seen: Vec<u64>,
    next: u32,
}

/// What a line stands for.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Different for every line that was learnt (and reused after 2³², long after the table was emptied).
    pub(super) id: u32,
    /// Its series.
    pub(super) labels: Labels,
}

impl Templates {
    /// A table of at most `most` lines; it starts anew when it is full.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), known: RwLock::default() }
    }

    /// Calls `found` with what the line stands for; `None` when it is not known.
    pub(super) fn find<T>(&self, cut: &Cut<'_>, found: impl FnOnce(&Series) -> T) -> Option<T> {
        self.known.read().series.get(cut.key()).map(found)
    }

    /// Learns a line that means `timing` and whose duration enters the series `labels`.
    pub(super) fn learn(&self, mut cut: Cut<'_>, timing: &Timing<'_>, labels: impl FnOnce() -> Labels) {
        if !self.came_before(&cut) || !cut.is_sound(timing) {
            return;
        }
        let labels = labels();
        let mut known = self.known.write();
        if known.series.len() >= self.most {
            known.series.clear();
        }
        known.next = known.next.wrapping_add(1);
        let series = Series { id: known.next, labels };
        known.series.insert(cut.key().into(), series);
    }

    /// Whether the line came before; if not, remembers that it came.
    fn came_before(&self, cut: &Cut<'_>) -> bool {
        let mut known = self.known.write();
        let hash = known.series.hasher().hash_one(cut.key()).max(1);
        if known.seen.is_empty() {
            known.seen = vec![0; SEEN];
        }
        let place = hash as usize % SEEN;
        known.seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, hash) == hash)
    }
}

#[cfg(test)]
mod tests;
