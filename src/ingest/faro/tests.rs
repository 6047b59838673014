//! Bodies that the SDK really sent: three versions in Chromium, a page with one slow click that throws, and a
//! shift, then left. One line is one request.

use super::*;
use crate::base::Labels;
use crate::ingest::gather::{Gather, SeriesCache};
use crate::ingest::routes::RouteLimit;
use crate::ingest::vitals;
use crate::ingest::{Sender, Settings};
use crate::series::VitalReport;

const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);
const V1_3: &str = include_str!("../../../tests/golden/faro/web-sdk-1.3.9.ndjson");
const V1_19: &str = include_str!("../../../tests/golden/faro/web-sdk-1.19.0.ndjson");
const V2: &str = include_str!("../../../tests/golden/faro/web-sdk-2.12.1.ndjson");

/// Everything in the requests of one session.
#[derive(Debug, Default)]
struct Got {
    reports: Vec<Result<VitalReport, Reject>>,
    targets: Vec<String>,
    exceptions: Vec<String>,
    unsupported: u64,
}

impl Got {
    /// Metric, value in base units, change, whether final.
    fn values(&self) -> Vec<(&str, f64, Option<f64>, bool)> {
        let of = |r: &'_ Result<VitalReport, Reject>| r.clone().unwrap();
        let reports = self.reports.iter().zip(self.reports.iter().map(of));
        reports.map(|(r, o)| (r.as_ref().unwrap().key.metric.as_str(), o.value, o.delta, o.is_final)).collect()
    }
}

fn all(bodies: &str) -> Got {
    let (cache, limit) = (SeriesCache::new(99), RouteLimit::new(9));
    let mut gather = Gather::new(&cache, &limit);
    let mut got = Got::default();
    for body in bodies.lines() {
        let payload = decode(body.as_bytes()).unwrap();
        got.unsupported += payload.unsupported;
        got.exceptions.extend(payload.exceptions.into_iter().map(|(_, e)| e.unwrap().into_owned()));
        for (_, view) in payload.views {
            let report = view.and_then(|mut view| {
                let (_, metric) = view.take_metrics().remove(0);
                let page = view.page(&Sender::default(), None, &Settings::default(), NOW)?;
                vitals::report(&page, metric?, &mut gather)
            });
            got.reports.push(report);
        }
    }
    got.targets = gather.sightings.into_iter().map(|s| s.target).collect();
    got
}

fn reason(body: &str) -> DropReason {
    all(body).reports.remove(0).unwrap_err().reason
}

#[test]
fn version_2_as_recorded() {
    let got = all(V2);
    let values = got.values();
    let names: Vec<&str> = values.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["TTFB", "FCP", "LCP", "INP", "CLS"]);
    assert_eq!(values[3], ("INP", 0.312, Some(0.312), false));
    assert_eq!(values[4], ("CLS", 0.033_955_536_854_354_99, Some(0.033_955_536_854_354_99), false));
    assert_eq!(
        (got.targets.as_slice(), got.exceptions.as_slice()),
        (&V2_TARGETS.map(str::to_owned)[..], &["TypeError".to_owned()][..])
    );
    let inp = got.reports[3].as_ref().unwrap();
    assert_eq!((inp.key.site.as_str(), inp.key.id.as_str()), ("shop", "v6-1795276720510-3652918174056"));
    let labels = [
        ("service_name", "shop"),
        ("route", "/product/*"),
        ("device", "phone"),
        ("navigation_type", "navigate"),
        ("release", "2026.11"),
    ];
    assert_eq!(inp.labels, Labels::metric("web_vitals_inp_seconds", labels));
    assert!(got.unsupported > 0, "session events are told apart");
}

const V2_TARGETS: [&str; 3] = ["#block", "#buy", "#block"];

#[test]
fn version_1_with_attribution_as_recorded() {
    let got = all(V1_19);
    let values = got.values();
    assert_eq!(values.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), ["TTFB", "FCP", "FID"]);
    assert!(values.iter().all(|(_, value, delta, is_final)| Some(*value) == *delta && !is_final), "{values:?}");
    assert!(got.reports.iter().all(|r| r.as_ref().unwrap().key.id.starts_with("v4-")));
    assert_eq!(got.exceptions, ["Error"]);
}

/// It sends neither ids nor changes: a measurement is a view of its own, and the same again is the same.
#[test]
fn version_1_without_ids_as_recorded() {
    let got = all(V1_3);
    let values = got.values();
    let names: Vec<&str> = values.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["TTFB", "FCP", "LCP", "FID", "INP", "CLS"]);
    assert!(values.iter().all(|(.., delta, is_final)| delta.is_none() && *is_final));
    assert_eq!(values[4].1, 0.32);
    assert_eq!(got.reports[4].as_ref().unwrap().key.id, "4kzcDRvEH8@2026-11-21T15:58:22.423Z");
    assert_eq!(all(V1_3).reports, got.reports);
}

fn body(meta: &str, measurement: &str) -> String {
    format!(r#"{{"meta":{{{meta}}},"measurements":[{measurement}]}}"#)
}

const APP: &str = r#""app":{"name":"shop"}"#;
const LCP: &str = r#"{"type":"web-vitals","values":{"lcp":1200},"context":{"id":"v4-1"}}"#;

#[test]
fn pages_name_their_routes_and_robots_are_left_out() {
    let route = |meta: &str| {
        let report = all(&body(&format!("{APP},{meta}"), LCP)).reports.remove(0).unwrap();
        report.labels.value("route").to_owned()
    };
    assert_eq!(route(r#""page":{"url":"https://a.example/p/12?q=secret#x"}"#), "/p/*");
    assert_eq!(route(r#""page":{"id":"/p/:id","url":"https://a.example/p/12"}"#), "/p/:id");
    assert_eq!(route(r#""page":{"id":"some id","url":"https://a.example/p/12"}"#), "/p/*");
    assert_eq!(reason(&body(&format!(r#"{APP},"k6":{{"isK6Browser":true}}"#), LCP)), DropReason::Bot);
}

#[test]
fn what_is_wrong_is_refused_for_its_reason() {
    let of = |measurement: &str| reason(&body(APP, measurement));
    assert_eq!(of(r#"{"type":"web-vitals","values":{"cpu":1},"context":{"id":"a"}}"#), DropReason::UnknownMetric);
    assert_eq!(of(r#"{"type":"web-vitals","values":{"lcp":-1},"context":{"id":"a"}}"#), DropReason::Implausible);
    assert_eq!(of(r#"{"type":"web-vitals","values":{"lcp":1}}"#), DropReason::Invalid);
    assert_eq!(of(r#"{"type":"web-vitals","values":{"lcp":"1"},"context":{"id":"a"}}"#), DropReason::Invalid);
    let restored =
        r#"{"type":"web-vitals","values":{"ttfb":0},"context":{"id":"a","navigation_type":"back-forward-cache"}}"#;
    assert_eq!(of(restored), DropReason::Dummy);
    assert_eq!(decode(b"{").unwrap_err().reason, DropReason::Malformed);
    assert_eq!(decode(b"[]").unwrap_err().reason, DropReason::Malformed);
    assert_eq!(decode(b"{}").unwrap().events(), 0);
    assert_eq!(decode(br#"{"measurements":1}"#).unwrap_err().reason, DropReason::Invalid);
    let custom =
        decode(br#"{"measurements":[{"type":"cart","values":{"items":3}}],"logs":[{}],"events":[{},{}],"traces":{}}"#);
    assert_eq!(custom.unwrap().unsupported, 5);
}
