//! Series as curves in the terminal.
//!
//! In colour, or with one series, curves are braille dots. Without colour several series could not be told
//! apart, so each is drawn with a letter of its own.

use std::time::Duration;

use super::answer::{Answer, Series};
use super::axis::{Scale, times};
use super::canvas::{ACROSS, Canvas, Cell, DOWN};
use crate::base::Timestamp;
use crate::slo::{Unit, format_value};

/// How a plot looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Columns, all included.
    pub(super) width: usize,
    /// Rows of the curves.
    pub(super) height: usize,
    pub(super) color: bool,
    pub(super) unit: Unit,
}

/// More series than this are told by number only.
const SERIES: usize = 12;
/// Colours of the terminal that are legible on black and on white.
const COLORS: [u8; 6] = [36, 33, 35, 32, 34, 31];
const LETTERS: &[u8; SERIES] = b"abcdefghijkl";

/// The plot with axes and legend.
pub(super) fn plot(answer: &Answer, start: Timestamp, end: Timestamp, step: Duration, look: &Look) -> String {
    let Answer::Matrix(all) = answer else { return super::table::table(answer, Some(look.width)) };
    let drawn: Vec<&Series> = all.iter().filter(|s| s.points().next().is_some()).collect();
    if drawn.is_empty() {
        return "no data\n".to_owned();
    }
    let shown = &drawn[..drawn.len().min(SERIES)];
    let scale = Scale::of(shown.iter().flat_map(|s| s.points()).map(|(_, value)| value));
    let labels = scale.labels(look.height, look.unit);
    let margin = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    let columns = look.width.saturating_sub(margin + 2).max(10);
    let frame = Frame { start, end, step, scale, columns, rows: look.height };
    let mut canvas = Canvas::new(columns, look.height);
    shown.iter().enumerate().for_each(|(pen, series)| frame.draw(&mut canvas, series, pen));
    let ink = Ink { color: look.color, letters: !look.color && shown.len() > 1 };
    let mut out = String::new();
    for (row, label) in canvas.rows().zip(&labels) {
        let edge = if label.is_empty() { '│' } else { '┤' };
        let line = format!("{label:>margin$} {edge}{}", ink.row(row));
        out.push_str(&format!("{}\n", line.trim_end()));
    }
    out.push_str(&format!("{:margin$} └{}\n", "", "─".repeat(columns)));
    out.push_str(&format!("{:margin$}  {} UTC\n", "", times(start, end, columns.saturating_sub(4))));
    out.push_str(&legend(shown, ink, look));
    if drawn.len() > shown.len() {
        out.push_str(&format!("… and {} more series: aggregate them, or --format table\n", drawn.len() - shown.len()));
    }
    out
}

/// Where points lie.
struct Frame {
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    scale: Scale,
    columns: usize,
    rows: usize,
}

impl Frame {
    fn draw(&self, canvas: &mut Canvas, series: &Series, pen: usize) {
        let mut before: Option<(Timestamp, (usize, usize))> = None;
        for (at, value) in series.points() {
            let dot = self.dot(at, value);
            // Where steps are missing there was no value: a line over them would say there was.
            let from = before.filter(|(last, _)| at.since(*last) <= self.step * 3 / 2).map_or(dot, |(_, from)| from);
            canvas.line(from, dot, pen);
            before = Some((at, dot));
        }
    }

    fn dot(&self, at: Timestamp, value: f64) -> (usize, usize) {
        let range = self.end.since(self.start).as_secs_f64().max(0.001);
        let across = at.since(self.start).as_secs_f64() / range;
        let (last_x, last_y) = (self.columns * ACROSS - 1, self.rows * DOWN - 1);
        let down = 1.0 - self.scale.place(value);
        ((across * last_x as f64).round() as usize, (down * last_y as f64).round() as usize)
    }
}

/// What curves are drawn with.
#[derive(Clone, Copy)]
struct Ink {
    color: bool,
    letters: bool,
}

impl Ink {
    fn row(self, cells: &[Cell]) -> String {
        cells.iter().map(|cell| self.cell(*cell)).collect()
    }

    fn cell(self, cell: Cell) -> String {
        match cell {
            Cell { dots: 0, .. } => " ".to_owned(),
            _ if self.letters => letter(cell.pen).to_string(),
            _ => self.tint(cell.pen, &cell.braille().to_string()),
        }
    }

    fn tint(self, pen: usize, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", COLORS[pen % COLORS.len()]) } else { text.to_owned() }
    }
}

fn letter(pen: usize) -> char {
    LETTERS.get(pen).copied().map_or('*', char::from)
}

/// A line for each series: its mark, its name, and its last, smallest and largest value.
fn legend(shown: &[&Series], ink: Ink, look: &Look) -> String {
    let line = |(pen, series): (usize, &&Series)| {
        let mark = if ink.letters { letter(pen).to_string() } else { ink.tint(pen, "●") };
        format!("{mark} {}\n", fit(&format!("{}  {}", series.labels, summary(series, look.unit)), look.width - 2))
    };
    shown.iter().enumerate().map(line).collect()
}

fn summary(series: &Series, unit: Unit) -> String {
    let values: Vec<f64> = series.points().map(|(_, value)| value).collect();
    let of = |value: Option<f64>| value.map_or_else(String::new, |value| format_value(value, unit));
    let low = values.iter().copied().min_by(f64::total_cmp);
    let high = values.iter().copied().max_by(f64::total_cmp);
    format!("last {}, min {}, max {}", of(values.last().copied()), of(low), of(high))
}

fn fit(text: &str, width: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.chars().count() <= width {
        return clean;
    }
    clean.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
