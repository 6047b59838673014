//! Lines over time as inline SVG: the value of each group, and the target as the line it must not cross.

use maud::{Markup, html};

use super::format;
use crate::base::Timestamp;
use crate::promql::{Answer, Point, RangeSeries, Value};

/// In the SVG's own units; it scales with the page.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// The most lines that one chart shows: those with the highest last values.
const LINES: usize = 6;

/// What a chart shows.
pub(super) struct Chart<'a> {
    /// Where the time axis begins.
    pub start: Timestamp,
    /// Where it ends.
    pub end: Timestamp,
    /// Points further apart than this many milliseconds are not joined.
    pub gap_ms: i64,
    /// The unit of all values.
    pub unit: &'a str,
    /// The line.
    pub target: Option<f64>,
}

struct Line {
    name: String,
    points: Vec<(Timestamp, f64)>,
}

impl Line {
    fn last(&self) -> f64 {
        self.points.last().map_or(f64::NEG_INFINITY, |(_, v)| *v)
    }
}

/// The chart of a range query's answer, or `None` when there is nothing to draw.
pub(super) fn chart(chart: &Chart<'_>, answer: &Answer) -> Option<Markup> {
    let Value::Matrix(series) = &answer.value else { return None };
    let mut lines: Vec<Line> = series.iter().map(line).filter(|l| !l.points.is_empty()).collect();
    lines.sort_by(|a, b| b.last().total_cmp(&a.last()));
    let hidden = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    (!lines.is_empty()).then(|| draw(chart, &lines, hidden))
}

fn line(series: &RangeSeries) -> Line {
    let values = series.labels.without_name();
    let name: Vec<&str> = values.iter().map(|(_, value)| value).collect();
    let float = |(at, point): &(Timestamp, Point)| match point {
        Point::Float(v) if v.is_finite() => Some((*at, *v)),
        _ => None,
    };
    Line { name: name.join(" · "), points: series.points.iter().filter_map(float).collect() }
}

fn draw(chart: &Chart<'_>, lines: &[Line], hidden: usize) -> Markup {
    let scale = Scale::new(chart, lines);
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="Value over time" {
                @for tick in scale.ticks() {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(px(scale.y(tick))) y2=(px(scale.y(tick))) {}
                    text.y x=(LEFT - 8.0) y=(px(scale.y(tick) + 4.0)) { (format::quantity(Some(tick), chart.unit)) }
                }
                @for (x, label) in times(chart) { text.x x=(px(x)) y=(HEIGHT - 6.0) { (label) } }
                @if let Some(target) = chart.target {
                    line.target x1=(LEFT) x2=(WIDTH - RIGHT) y1=(px(scale.y(target))) y2=(px(scale.y(target))) {}
                }
                @for (i, line) in lines.iter().enumerate() {
                    path class={ "line l" (i) } d=(scale.path(&line.points, chart.gap_ms)) {}
                }
            }
            (legend(chart, lines, hidden))
        }
    }
}

fn legend(chart: &Chart<'_>, lines: &[Line], hidden: usize) -> Markup {
    html! {
        figcaption {
            @for (i, line) in lines.iter().enumerate() {
                span.key {
                    span class={ "swatch l" (i) } {}
                    (if line.name.is_empty() { "value" } else { &line.name }) " "
                    b { (format::quantity(Some(line.last()), chart.unit)) }
                }
            }
            @if let Some(target) = chart.target {
                span.key { span.swatch.target {} "line at " (format::quantity(Some(target), chart.unit)) }
            }
            @if hidden > 0 { span.muted { "and " (hidden) " more" } }
        }
    }
}

/// Where values and instants lie.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
    start: Timestamp,
    span_ms: f64,
}

impl Scale {
    /// From zero, unless all values lie far from it, as shares near 100 % do.
    fn new(chart: &Chart<'_>, lines: &[Line]) -> Self {
        let values = lines.iter().flat_map(|l| l.points.iter().map(|(_, v)| *v)).chain(chart.target);
        let (min, max) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        let far = min > 0.0 && (max - min) < min * 0.2;
        let base = if far { min - (max - min).max(max.abs() * 1e-4) } else { min.min(0.0) };
        let step = nice((max - base).max(1e-9) / 4.0);
        let low = (base / step).floor() * step;
        let high = (max / step).ceil().max(low / step + 1.0) * step;
        let span_ms = (chart.end.as_millis() - chart.start.as_millis()).max(1) as f64;
        Self { low, high, step, start: chart.start, span_ms }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let steps = ((self.high - self.low) / self.step).round() as u32;
        (0..=steps.min(12)).map(|i| self.low + f64::from(i) * self.step)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        TOP + (1.0 - share.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }

    fn x(&self, at: Timestamp) -> f64 {
        let share = (at.as_millis() - self.start.as_millis()) as f64 / self.span_ms;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn path(&self, points: &[(Timestamp, f64)], gap_ms: i64) -> String {
        let mut path = String::new();
        let mut before: Option<Timestamp> = None;
        for (at, value) in points {
            let joined = before.is_some_and(|b| at.as_millis() - b.as_millis() <= gap_ms);
            let command = if joined { 'L' } else { 'M' };
            path.push_str(&format!("{command}{} {}", px(self.x(*at)), px(self.y(*value))));
            before = Some(*at);
        }
        path
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * 0.999_999).unwrap_or(10.0);
    factor * power
}

/// Five times along the axis.
fn times(chart: &Chart<'_>) -> Vec<(f64, String)> {
    let span = chart.end.as_millis() - chart.start.as_millis();
    let at = |i: i64| Timestamp::from_millis(chart.start.as_millis() + span * i / 4);
    let x = |i: i64| LEFT + 18.0 + (WIDTH - LEFT - RIGHT - 36.0) * i as f64 / 4.0;
    (0..=4).map(|i| (x(i), format::clock_time(at(i), at(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Labels;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn draw_points(points: Vec<(Timestamp, Point)>) -> Option<String> {
        let value = Value::Matrix(vec![RangeSeries { labels: Labels::default(), points }]);
        let answer = Answer { value, warnings: vec![], infos: vec![] };
        let settings = Chart { start: at(0), end: at(100), gap_ms: 15_000, unit: "seconds", target: Some(0.2) };
        chart(&settings, &answer).map(Markup::into_string)
    }

    #[test]
    fn gaps_are_not_bridged_and_nan_is_left_out() {
        let points = [(0, 0.1), (10, 0.1), (20, f64::NAN), (40, 0.3), (50, 0.3)];
        let drawn = draw_points(points.map(|(t, v)| (at(t), Point::Float(v))).to_vec()).unwrap();
        let path = drawn.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 2, "{path}");
        assert!(!drawn.contains("NaN"));
    }

    #[test]
    fn nothing_draws_nothing() {
        assert!(draw_points(vec![]).is_none());
        assert!(draw_points(vec![(at(0), Point::Float(f64::NAN))]).is_none());
    }

    #[test]
    fn shares_near_one_are_not_drawn_from_zero() {
        let lines = [Line { name: String::new(), points: vec![(at(0), 0.9991), (at(10), 0.9995)] }];
        let settings = Chart { start: at(0), end: at(100), gap_ms: 1, unit: "ratio", target: Some(0.999) };
        let scale = Scale::new(&settings, &lines);
        assert!(scale.low > 0.99 && scale.high >= 0.9995, "{} to {}", scale.low, scale.high);
        assert!(scale.ticks().count() <= 8);
    }
}
