//! Numbers, times and labels of query results, written straight into a buffer.
//!
//! A large result is mostly numbers: one string for each would cost more than all the rest.

use std::io::Write;

use crate::base::{Labels, Timestamp};
use crate::promql::format::format_float;

/// Whole numbers up to here are exact and printed without an exponent.
const WHOLE: f64 = 1e15;

/// What [`format_float`] prints.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if value.trunc() == value && size < WHOLE && !(value == 0.0 && value.is_sign_negative()) {
        push_integer(out, value as i64);
    } else if (1e-6..1e21).contains(&size) {
        // Writing into a vector cannot fail.
        let _infallible = write!(out, "{value}");
    } else {
        out.extend_from_slice(format_float(value).as_bytes());
    }
}

/// What [`crate::promql::format::format_seconds`] prints.
pub(super) fn push_seconds(out: &mut Vec<u8>, at: Timestamp) {
    let millis = at.as_millis();
    if millis < 0 {
        out.push(b'-');
    }
    let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    push_digits(out, seconds);
    if rest != 0 {
        out.push(b'.');
        out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
    }
}

/// `[time,"value"]`.
pub(super) fn push_sample(out: &mut Vec<u8>, at: Timestamp, value: f64) {
    out.push(b'[');
    push_seconds(out, at);
    out.extend_from_slice(b",\"");
    push_float(out, value);
    out.extend_from_slice(b"\"]");
}

/// `{"name":"value",…}`.
pub(super) fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, name);
        out.push(b':');
        push_json(out, value);
    }
    out.push(b'}');
}

/// Anything else.
pub(super) fn push_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a part of a reply could not be written");
    }
}

fn push_integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_digits(out, value.unsigned_abs());
}

fn push_digits(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::promql::format::format_seconds;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn edges_are_as_elsewhere() {
        let edges =
            [0.0, -0.0, 1.0, -1.0, 0.1 + 0.2, 1e-6, 9.99e-7, 1e15, 1e15 - 1.0, 1e20, 1e21, -1e21, f64::MIN, 5e-324];
        for value in edges.into_iter().chain([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
            assert_eq!(written(|out| push_float(out, value)), format_float(value));
        }
        for millis in [0, 1, -1, 10, 999, 1000, -1500, 1_763_640_000_050, i64::MIN, i64::MAX] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(written(|out| push_seconds(out, at)), format_seconds(millis));
        }
    }

    proptest! {
        #[test]
        fn numbers_are_as_elsewhere(bits: u64, whole in -1_000_000i64..1_000_000, millis: i64) {
            for value in [f64::from_bits(bits), whole as f64, whole as f64 / 64.0] {
                prop_assert_eq!(written(|out| push_float(out, value)), format_float(value));
            }
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(written(|out| push_seconds(out, at)), format_seconds(millis));
        }
    }

    #[test]
    fn text_is_escaped() {
        let labels = Labels::new([("a", "\"\\\n\u{1}ä"), ("b", "")]);
        let text = written(|out| push_labels(out, &labels));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, serde_json::json!({"a": "\"\\\n\u{1}ä"}));
    }
}
