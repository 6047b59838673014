//! `GET /federate`: the last sample of each series that matches, as text with timestamps, for a Prometheus that
//! scrapes us with `honor_labels`.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::http::Api;
use crate::http::metrics::{escape, number};
use crate::promql::source::is_stale;
use crate::promql::{QueryOptions, Selection, SeriesSamples};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn federate(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let end = api.clock.now();
    let start = end - QueryOptions::default().lookback;
    let mut found = BTreeMap::new();
    for matchers in matchers::parse_all(&params)? {
        let series = api.known.select(&Selection { matchers, start, end }).await?;
        found.extend(series.into_iter().filter_map(last));
    }
    Ok(([(CONTENT_TYPE, TEXT)], render(&found)).into_response())
}

/// The last sample, unless the series has ended. Native histograms have no form in this text; their buckets,
/// sums and counts are series of their own here.
fn last(series: SeriesSamples) -> Option<(Labels, (Timestamp, f64))> {
    let last = series.floats.last()?;
    (!is_stale(last.1)).then_some((series.labels, last))
}

fn render(found: &BTreeMap<Labels, (Timestamp, f64)>) -> String {
    let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (labels, sample) in found {
        by_name.entry(labels.metric_name()).or_default().push((labels, sample));
    }
    let mut out = String::new();
    for (name, family) in by_name {
        push(&mut out, format_args!("# TYPE {name} untyped\n"));
        family.into_iter().for_each(|(labels, sample)| line(&mut out, name, labels, sample));
    }
    out
}

fn line(out: &mut String, name: &str, labels: &Labels, (at, value): &(Timestamp, f64)) {
    out.push_str(name);
    out.push('{');
    // An empty `instance` keeps the scraper from writing its own.
    let instance = labels.get("instance").is_none().then_some(("instance", ""));
    let own = labels.iter().filter(|(label, _)| *label != METRIC_NAME);
    for (index, (label, text)) in own.chain(instance).enumerate() {
        push(out, format_args!("{}{label}=\"", if index > 0 { "," } else { "" }));
        escape(out, text);
        out.push('"');
    }
    out.push_str("} ");
    number(out, *value);
    push(out, format_args!(" {}\n", at.as_millis()));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _infallible = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};

    use crate::http::prom::testing::answer;

    async fn get(uri: &str) -> (StatusCode, String) {
        let uri = uri.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let response = answer(Request::get(uri).body(Body::empty()).unwrap()).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn lists_the_last_sample_of_each_series_once() {
        let (status, text) = get("/federate?match[]=up&match[]={job=\"a\"}").await;
        assert_eq!(status, StatusCode::OK);
        let expected =
            "# TYPE up untyped\nup{job=\"a\",instance=\"\"} 2 60000\nup{job=\"b\",instance=\"\"} 0.5 60000\n";
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn nothing_asked_is_nothing_answered_and_nonsense_is_refused() {
        assert_eq!(get("/federate").await, (StatusCode::OK, String::new()));
        assert_eq!(get("/federate?match[]=native").await.1, "");
        assert_eq!(get("/federate?match[]=sum(up)").await.0, StatusCode::BAD_REQUEST);
    }
}
