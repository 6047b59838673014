//! Axes: round numbers at the left, times below.

use std::time::Duration;

use crate::base::Timestamp;
use crate::slo::{Unit, format_value};

/// What a plot's height stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Scale {
    /// From the smallest to the largest value; zero is shown when it is not far, and a constant has room.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let flat = low == high;
        if low > 0.0 && (flat || low < high * 0.5) {
            low = 0.0;
        }
        if high < 0.0 && (flat || high > low * 0.5) {
            high = 0.0;
        }
        if low == high {
            (low, high) = (low - 1.0, high + 1.0);
        }
        Self { low, high }
    }

    /// Where a value lies, 0 at the bottom, 1 at the top.
    pub(super) fn place(&self, value: f64) -> f64 {
        // Halves, so that the difference of the largest numbers is one.
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        self.low * (1.0 - place) + self.high * place
    }

    /// The label of each row of a plot, from the top; most rows have none.
    pub(super) fn labels(&self, rows: usize, unit: Unit) -> Vec<String> {
        let last = rows.saturating_sub(1).max(1);
        let every = last.div_ceil(5).max(1);
        let label = |row: usize| {
            let named = row == last || row.is_multiple_of(every) && last - row >= every.div_ceil(2);
            if named { format_value(self.value(1.0 - row as f64 / last as f64), unit) } else { String::new() }
        };
        (0..rows).map(label).collect()
    }
}

/// The line below a plot: when it begins, its middle, and when it ends, in UTC.
pub(super) fn times(start: Timestamp, end: Timestamp, width: usize) -> String {
    let range = end.since(start);
    let middle = start + range / 2;
    let [start, middle, end] = [start, middle, end].map(|at| clock(at, range));
    let room = width.saturating_sub(start.len() + end.len());
    if room < middle.len() + 2 {
        return format!("{start}{:>rest$}", end, rest = width.saturating_sub(start.len()).max(end.len() + 1));
    }
    let left = (room - middle.len()) / 2;
    format!("{start}{:left$}{middle}{:right$}{end}", "", "", right = room - middle.len() - left)
}

/// As much of a time as a range of this length needs.
fn clock(at: Timestamp, range: Duration) -> String {
    let text = at.rfc3339();
    let hours = range.as_secs() / 3600;
    let part = match hours {
        0 => text.get(11..19),
        1..=23 => text.get(11..16),
        24..=719 => text.get(5..16),
        _ => text.get(0..10),
    };
    part.map_or(text.clone(), |part| part.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_room() {
        let of = |values: &[f64]| Scale::of(values.iter().copied());
        assert_eq!(of(&[1.0, 10.0]), Scale { low: 0.0, high: 10.0 });
        assert_eq!(of(&[9.0, 10.0]), Scale { low: 9.0, high: 10.0 });
        assert_eq!(of(&[-10.0, -1.0]), Scale { low: -10.0, high: 0.0 });
        assert_eq!(of(&[5.0, 5.0]), Scale { low: 0.0, high: 5.0 });
        assert_eq!(of(&[0.0]), Scale { low: -1.0, high: 1.0 });
        assert_eq!(of(&[f64::MIN, f64::MAX]).place(0.0), 0.5);
    }

    #[test]
    fn rows_are_labelled_sparsely() {
        let labels = Scale { low: 0.0, high: 0.3 }.labels(7, Unit::Seconds);
        assert_eq!(labels, ["300 ms", "", "200 ms", "", "100 ms", "", "0 ms"]);
        assert_eq!(Scale { low: 0.0, high: 1.0 }.labels(2, Unit::Ratio), ["100 %", "0 %"]);
    }

    #[test]
    fn times_show_what_the_range_needs() {
        let at = Timestamp::from_secs(1_763_640_000);
        let line = |seconds, width| times(at, at + Duration::from_secs(seconds), width);
        assert_eq!(line(60, 40), "12:00:00        12:00:30        12:01:00");
        assert_eq!(line(7200, 30), "12:00       13:00        14:00");
        assert_eq!(line(2 * 86_400, 45), "11-20 12:00      11-21 12:00      11-22 12:00");
        assert_eq!(line(60 * 86_400, 20), "2025-11-20 2026-01-19");
        assert_eq!(line(60, 18), "12:00:00  12:01:00");
    }
}
