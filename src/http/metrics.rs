//! `GET /metrics`: everything known, as Prometheus text 0.0.4 or OpenMetrics 1.0, by content negotiation.
//!
//! Bounds (`le`) are written the same in both forms, `1` and not `1.0`: they are label values, and a series
//! should not change its name with the form in which it was fetched (OpenMetrics, "Canonical Numbers", asks
//! for `1.0` and requires nothing).
//!
//! Absent on purpose: the protobuf form with native histograms; our own histograms come in classic buckets.

use std::fmt::Write;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use crate::base::{Labels, METRIC_NAME};
use crate::series::{Exposed, ExposedValue, MetricType};
use crate::sketch::Histogram;
use crate::sketch::format_le;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Response {
    let known = api.known.exposition(api.clock.now());
    let form = negotiate(headers.get_all(header::ACCEPT).iter());
    let body = render(&known, |metric| api.known.metric_type(metric), form);
    let content_type = if form == Form::OpenMetrics { OPEN_METRICS } else { TEXT };
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The form of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prometheus text 0.0.4
    Text,
    /// OpenMetrics 1.0
    OpenMetrics,
}

/// OpenMetrics where it is named and nothing plain is preferred to it.
fn negotiate<'a>(accept: impl Iterator<Item = &'a HeaderValue>) -> Form {
    let mut best = (0.0f64, Form::Text);
    for range in accept.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let form = match parts.next().unwrap_or_default() {
            "application/openmetrics-text" => Form::OpenMetrics,
            "text/plain" | "text/*" | "*/*" => Form::Text,
            _ => continue,
        };
        let quality = parts.find_map(|p| p.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if quality > best.0 {
            best = (quality, form);
        }
    }
    best.1
}

/// The text of an exposition. `known` is sorted by metric.
pub fn render(known: &[Exposed], type_of: impl Fn(&str) -> MetricType, form: Form) -> String {
    let mut out = String::new();
    for family in known.chunk_by(|a, b| a.labels.metric_name() == b.labels.metric_name()) {
        let Some(first) = family.first() else { continue };
        let name = first.labels.metric_name();
        let kind = match first.value {
            ExposedValue::Histogram(_) => MetricType::Histogram,
            ExposedValue::Counter(_) | ExposedValue::Gauge(_) => type_of(name),
        };
        head(&mut out, name, kind, form);
        for exposed in family {
            sample(&mut out, name, exposed);
        }
    }
    if form == Form::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

/// `HELP` and `TYPE`. An OpenMetrics counter is named without `_total`; one that has no `_total` at all is
/// something else's counter and goes as unknown.
fn head(out: &mut String, name: &str, kind: MetricType, form: Form) {
    let (family, kind) = match (form, kind, name.strip_suffix("_total")) {
        (Form::OpenMetrics, MetricType::Counter, Some(family)) => (family, "counter"),
        (Form::Text, MetricType::Counter, _) => (name, "counter"),
        (_, MetricType::Gauge, _) => (name, "gauge"),
        (_, MetricType::Histogram, _) => (name, "histogram"),
        (Form::OpenMetrics, _, _) => (name, "unknown"),
        (Form::Text, _, _) => (name, "untyped"),
    };
    push_line(out, format_args!("# HELP {family} {}\n# TYPE {family} {kind}\n", help(name)));
}

/// What a name says, in words: its parts, and its unit.
fn help(name: &str) -> String {
    let words = name.trim_end_matches("_total").replace(['_', ':'], " ");
    let mut words = words.trim().to_owned();
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    format!("{words}.")
}

fn sample(out: &mut String, name: &str, exposed: &Exposed) {
    match &exposed.value {
        ExposedValue::Counter(v) | ExposedValue::Gauge(v) => line(out, name, "", &exposed.labels, None, *v),
        ExposedValue::Histogram(h) => histogram(out, name, &exposed.labels, h),
    }
}

fn histogram(out: &mut String, name: &str, labels: &Labels, h: &Histogram) {
    for (bound, count) in h.cumulative().chain([(f64::INFINITY, h.count())]) {
        line(out, name, "_bucket", labels, Some(&format_le(bound)), count as f64);
    }
    line(out, name, "_sum", labels, None, h.sum());
    line(out, name, "_count", labels, None, h.count() as f64);
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &Labels, le: Option<&str>, value: f64) {
    out.push_str(name);
    out.push_str(suffix);
    let own = labels.iter().filter(|(n, _)| *n != METRIC_NAME && !(le.is_some() && *n == "le"));
    let mut opened = false;
    for (label, text) in own.chain(le.map(|le| ("le", le))) {
        out.push(if opened { ',' } else { '{' });
        opened = true;
        out.push_str(label);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
    }
    if opened {
        out.push('}');
    }
    out.push(' ');
    number(out, value);
    out.push('\n');
}

/// Backslash, line feed and double quote, as both forms want them.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

pub(super) fn number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        push_line(out, format_args!("{value}"));
    }
}

fn push_line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _infallible = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sketch::Bounds;

    fn exposed(name: &str, pairs: &[(&str, &str)], value: ExposedValue) -> Exposed {
        Exposed { labels: Labels::metric(name, pairs.iter().copied()), value }
    }

    fn everything() -> Vec<Exposed> {
        let mut h = Histogram::new(Bounds::new([0.1, 1.0]).unwrap());
        [0.05, 0.1, 0.5, 7.0].iter().for_each(|v| h.observe(*v));
        let nasty = "back\\slash \"quoted\"\nnext line ä";
        vec![
            exposed("alien_bucket_value", &[], ExposedValue::Gauge(3.0)),
            exposed("http_requests_total", &[("route", nasty)], ExposedValue::Counter(12.0)),
            exposed("http_requests_total", &[("route", "/")], ExposedValue::Counter(1e15)),
            exposed("request_duration_seconds", &[("route", "/")], ExposedValue::Histogram(Box::new(h))),
            exposed("temperature_celsius", &[], ExposedValue::Gauge(-0.5)),
        ]
    }

    fn type_of(metric: &str) -> MetricType {
        match metric {
            "http_requests_total" => MetricType::Counter,
            "temperature_celsius" => MetricType::Gauge,
            _ => MetricType::Unknown,
        }
    }

    #[test]
    fn promtool_finds_nothing_wrong() {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is installed (apt install prometheus)");
        let text = render(&everything(), type_of, Form::Text);
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{text}");
    }

    #[test]
    fn the_forms_differ_where_the_specifications_do() {
        let text = render(&everything(), type_of, Form::Text);
        let open = render(&everything(), type_of, Form::OpenMetrics);
        for line in [
            "# TYPE http_requests_total counter",
            "# TYPE alien_bucket_value untyped",
            r#"http_requests_total{route="back\\slash \"quoted\"\nnext line ä"} 12"#,
            r#"request_duration_seconds_bucket{route="/",le="0.1"} 2"#,
            r#"request_duration_seconds_bucket{route="/",le="1"} 3"#,
            r#"request_duration_seconds_bucket{route="/",le="+Inf"} 4"#,
            r#"request_duration_seconds_count{route="/"} 4"#,
            "temperature_celsius -0.5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(
            open.contains("# TYPE http_requests counter\n") && open.contains("# TYPE alien_bucket_value unknown\n")
        );
        assert!(open.contains("\nhttp_requests_total{route=\"/\"} 1000000000000000\n") && open.ends_with("# EOF\n"));
        assert!(!text.contains("# EOF"));
    }

    #[test]
    fn the_form_is_negotiated() {
        let of = |accept: &'static str| negotiate([HeaderValue::from_static(accept)].iter());
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(of(prometheus), Form::OpenMetrics);
        assert_eq!(of("text/plain, application/openmetrics-text;q=0.2"), Form::Text);
        assert_eq!(of("*/*"), Form::Text);
        assert_eq!(of("text/html,application/xhtml+xml"), Form::Text);
        assert_eq!(negotiate([].iter()), Form::Text);
    }
}
