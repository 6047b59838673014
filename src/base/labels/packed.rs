//! The form of a label set in memory: one string of `count`, then `length name length value` for each label
//! in the order of the names.
//!
//! Lengths are digits of six bits, low ones first, in the characters from `\0` to `\x7f`: `0x40` says that
//! more follow. So all of it is text, a length below 64 takes one byte, and names and values are slices of
//! it that need no check of their encoding. This form never leaves the process.

/// Says that another digit follows.
const MORE: u8 = 0x40;

/// Appends a number.
fn put_number(out: &mut String, mut number: usize) {
    while number >= usize::from(MORE) {
        out.push(char::from(number as u8 & (MORE - 1) | MORE));
        number >>= 6;
    }
    out.push(char::from(number as u8));
}

/// Takes a number off the front.
fn take_number(rest: &mut &str) -> usize {
    let (mut number, mut shift) = (0, 0);
    for (i, byte) in rest.bytes().enumerate() {
        number |= usize::from(byte & (MORE - 1)) << shift;
        shift += 6;
        if byte & MORE == 0 {
            *rest = &rest[i + 1..];
            break;
        }
    }
    number
}

/// Takes a string off the front.
fn take_text<'a>(rest: &mut &'a str) -> &'a str {
    let length = take_number(rest);
    let (text, behind) = rest.split_at(length);
    *rest = behind;
    text
}

/// Packs pairs that are sorted by name and without duplicates.
pub(super) fn pack<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let (count, size) = pairs.clone().fold((0, 0), |(n, size), (k, v)| (n + 1, size + k.len() + v.len() + 4));
    let mut out = String::with_capacity(size + 2);
    put_number(&mut out, count);
    for text in pairs.flat_map(|(name, value)| [name, value]) {
        put_number(&mut out, text.len());
        out.push_str(text);
    }
    out
}

/// The pairs of a label set, in the order of their names.
#[derive(Debug, Clone)]
pub(super) struct Pairs<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(packed: &'a str) -> Self {
        let mut rest = packed;
        let left = take_number(&mut rest);
        Self { rest, left }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((take_text(&mut self.rest), take_text(&mut self.rest)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_back() {
        for number in [0, 1, 63, 64, 65, 4095, 4096, 300_000, usize::MAX >> 4] {
            let mut out = String::new();
            put_number(&mut out, number);
            out.push('x');
            let mut rest = out.as_str();
            assert_eq!((take_number(&mut rest), rest), (number, "x"));
        }
    }
}
