//! Orders of results.

use std::cmp::Ordering;

/// By value; NaN comes last in both directions.
pub(in crate::promql) fn by_value(a: f64, b: f64, descending: bool) -> Ordering {
    let order = if descending { b.total_cmp(&a) } else { a.total_cmp(&b) };
    a.is_nan().cmp(&b.is_nan()).then(order)
}

/// Text with numbers in it as people read it: `a9` before `a10`.
pub(in crate::promql) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let ((head_a, rest_a), (head_b, rest_b)) = (chunk(a), chunk(b));
        if head_a.is_empty() || head_b.is_empty() {
            return head_a.len().cmp(&head_b.len());
        }
        match compare_chunks(head_a, head_b) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            other => return other,
        }
    }
}

fn compare_chunks(a: &str, b: &str) -> Ordering {
    let is_number = |s: &str| s.starts_with(|c: char| c.is_ascii_digit());
    if is_number(a) && is_number(b) {
        let (short_a, short_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        return short_a.len().cmp(&short_b.len()).then(short_a.cmp(short_b)).then(a.len().cmp(&b.len()));
    }
    a.cmp(b)
}

/// The leading run of digits or of anything else, and the rest.
fn chunk(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_text_count() {
        let mut names = ["a10", "a9", "b", "a", "a09", "10", "2"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["2", "10", "a", "a9", "a09", "a10", "b"]);
    }

    #[test]
    fn nan_is_last_both_ways() {
        for descending in [false, true] {
            let mut values = [1.0, f64::NAN, 2.0];
            values.sort_by(|a, b| by_value(*a, *b, descending));
            assert!(values[2].is_nan());
            assert_eq!(values[0], if descending { 2.0 } else { 1.0 });
        }
    }
}
