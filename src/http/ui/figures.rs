//! Key figures by instance, read with PromQL: the frame of the Redis and PostgreSQL pages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use maud::{Markup, html};

use super::format;
use crate::base::Timestamp;
use crate::http::Api;
use crate::promql::{QueryOptions, Value};

/// A page waits no longer than this for one figure.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most instances shown.
const INSTANCES: usize = 100;

/// One key figure.
pub(super) struct Figure {
    /// For people.
    pub name: &'static str,
    /// PromQL with one element for each `instance`.
    pub query: &'static str,
    /// As in the API; `since` for a Unix time that is shown as the time passed.
    pub unit: &'static str,
    /// From here on it is a warning, and critical; the second is below the first where low is bad.
    pub bounds: Option<(f64, f64)>,
}

/// Figures with one number for each instance.
pub(super) struct Sheet {
    values: BTreeMap<String, BTreeMap<usize, f64>>,
    errors: BTreeSet<String>,
}

impl Sheet {
    /// Reads all figures at once.
    pub(super) async fn read(api: &Api, figures: &[Figure], now: Timestamp) -> Self {
        let options = QueryOptions { timeout: PATIENCE, ..QueryOptions::default() };
        let answers = join_all(figures.iter().map(|f| api.engine.instant(f.query, now, &options))).await;
        let mut sheet = Self { values: BTreeMap::new(), errors: BTreeSet::new() };
        for (i, answer) in answers.into_iter().enumerate() {
            match answer.map(|a| a.value) {
                Ok(Value::Vector(samples)) => {
                    for sample in samples {
                        let Some(value) = sample.float().filter(|v| v.is_finite()) else { continue };
                        sheet.values.entry(sample.labels.value("instance").to_owned()).or_default().insert(i, value);
                    }
                }
                Ok(_) => {}
                Err(error) => drop(sheet.errors.insert(error.to_string())),
            }
        }
        sheet
    }

    /// Whether no instance has any figure.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One block for each instance. The first figure is its `up`.
    pub(super) fn render(&self, figures: &[Figure], now: Timestamp) -> Markup {
        html! {
            @for (instance, values) in self.values.iter().take(INSTANCES) { (block(instance, values, figures, now)) }
            @if self.values.len() > INSTANCES { p.muted { "and " (self.values.len() - INSTANCES) " more" } }
            @for error in &self.errors { p.error { "A figure could not be read: " (error) } }
        }
    }
}

fn block(instance: &str, values: &BTreeMap<usize, f64>, figures: &[Figure], now: Timestamp) -> Markup {
    let up = values.get(&0).copied();
    let (class, word) = match up {
        Some(up) if up > 0.0 => ("ok", "up"),
        Some(_) => ("critical", "down"),
        None => ("no-data", "no data"),
    };
    html! {
        section.instance {
            h2 { (if instance.is_empty() { "(no instance)" } else { instance }) " " span class={ "badge " (class) } { (word) } }
            dl.stats {
                @for (i, figure) in figures.iter().enumerate().skip(1) {
                    @if let Some(value) = values.get(&i) {
                        div class={ "stat " (level(*value, figure.bounds)) } {
                            dt { (figure.name) }
                            dd { (show(*value, figure.unit, now)) }
                        }
                    }
                }
            }
            @if values.len() < 2 { p.muted { "Nothing but its state is known at the moment." } }
        }
    }
}

fn show(value: f64, unit: &str, now: Timestamp) -> String {
    match unit {
        "since" => format::quantity(Some((now.as_secs_f64() - value).max(0.0)), "seconds"),
        _ => format::quantity(Some(value), unit),
    }
}

fn level(value: f64, bounds: Option<(f64, f64)>) -> &'static str {
    let Some((warning, critical)) = bounds else { return "" };
    let past = |bound: f64| if critical >= warning { value >= bound } else { value <= bound };
    match (past(critical), past(warning)) {
        (true, _) => "critical",
        (_, true) => "warning",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_point_either_way() {
        let high = Some((0.8, 0.9));
        assert_eq!([level(0.7, high), level(0.8, high), level(0.95, high)], ["", "warning", "critical"]);
        let low = Some((0.9, 0.5));
        assert_eq!([level(0.99, low), level(0.9, low), level(0.4, low)], ["", "warning", "critical"]);
        assert_eq!(level(1e9, None), "");
    }
}
