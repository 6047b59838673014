use super::*;
use crate::base::Labels;

const START: Timestamp = Timestamp::from_secs(1_763_640_000);

fn series(name: &str, values: &[Option<f64>]) -> Series {
    let at = |k: usize| START + Duration::from_secs(60 * k as u64);
    let values = values.iter().enumerate().filter_map(|(k, v)| Some((at(k), (*v)?.to_string())));
    Series { labels: Labels::new([("__name__", name)]), values: values.collect() }
}

fn drawn(all: Vec<Series>, color: bool, unit: Unit) -> String {
    let end = START + Duration::from_secs(600);
    let look = Look { width: 50, height: 6, color, unit };
    plot(&Answer::Matrix(all), START, end, Duration::from_secs(60), &look)
}

#[test]
fn one_series_is_a_curve() {
    let ramp: Vec<_> = (0..=10).map(|k| Some(f64::from(k) * 0.03)).collect();
    insta::assert_snapshot!(drawn(vec![series("pause_seconds", &ramp)], false, Unit::Seconds));
}

#[test]
fn several_series_have_letters_without_colour() {
    let up: Vec<_> = (0..=10).map(|k| Some(f64::from(k))).collect();
    let down: Vec<_> = (0..=10).map(|k| (!(4..7).contains(&k)).then(|| f64::from(10 - k))).collect();
    insta::assert_snapshot!(drawn(vec![series("up", &up), series("down", &down)], false, Unit::None));
}

#[test]
fn several_series_have_colours() {
    let text = drawn(vec![series("x", &[Some(1.0)]), series("y", &[Some(2.0)])], true, Unit::None);
    let legend: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(
        legend,
        ["\u{1b}[33m●\u{1b}[0m y  last 2, min 2, max 2", "\u{1b}[36m●\u{1b}[0m x  last 1, min 1, max 1"]
    );
    assert!(text.contains("\u{1b}[36m⠁") || text.contains("\u{1b}[36m⠂") || text.contains("\u{1b}[36m⡀"), "{text}");
}

#[test]
fn no_line_is_wider_than_asked() {
    let wide = Series { labels: Labels::new([("a", "x".repeat(300))]), ..series("", &[Some(1.0), Some(1e9)]) };
    let text = drawn(vec![wide], false, Unit::Bytes);
    assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
}

#[test]
fn what_is_too_much_or_nothing_is_said() {
    let many = (0..15).map(|k| series(&format!("s{k}"), &[Some(f64::from(k))])).collect();
    assert!(drawn(many, false, Unit::None).ends_with("… and 3 more series: aggregate them, or --format table\n"));
    assert_eq!(drawn(vec![], false, Unit::None), "no data\n");
    assert_eq!(drawn(vec![series("x", &[Some(f64::NAN)])], false, Unit::None), "no data\n");
}
