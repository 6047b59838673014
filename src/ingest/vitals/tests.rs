use super::*;
use crate::ingest::gather::SeriesCache;
use crate::ingest::routes::RouteLimit;

const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

const BEACON: &str = r#"{"v":1,"site":"shop","view":"f3b1","n":2,"age":5120.4,"rate":0.5,
    "page":"https://shop.example/product/123?x=1","route":"/product/:id","release":"2026.11.1",
    "navigation":"navigate","device":"mobile","connection":"4g","final":true,
    "metrics":[{"name":"LCP","value":1834.2,"prev":1700.0,"id":"v6-1763-8123","attribution":{"target":"main>img"}},
               {"name":"CLS","value":0.05}]}"#;

fn reports_of(body: &str, sender: &Sender<'_>, settings: &Settings) -> Vec<Result<VitalReport, Reject>> {
    let (cache, limit) = (SeriesCache::new(9), RouteLimit::new(9));
    let mut gather = Gather::new(&cache, &limit);
    let mut reports = Vec::new();
    for (_, view) in decode(body.as_bytes()) {
        let mut view = match view {
            Ok(view) => view,
            Err(reject) => {
                reports.push(Err(reject));
                continue;
            }
        };
        let metrics = view.take_metrics();
        match view.page(sender, None, settings, NOW) {
            Ok(page) => reports.extend(metrics.into_iter().map(|(_, m)| report(&page, m?, &mut gather))),
            Err(reject) => reports.push(Err(reject)),
        }
    }
    reports
}

fn reports(body: &str) -> Vec<Result<VitalReport, Reject>> {
    reports_of(body, &Sender::default(), &Settings::default())
}

fn reason(body: &str) -> DropReason {
    reports(body).remove(0).unwrap_err().reason
}

#[test]
fn our_own_form() {
    let got: Vec<VitalReport> = reports(BEACON).into_iter().map(Result::unwrap).collect();
    let labels = [
        ("service_name", "shop"),
        ("route", "/product/:id"),
        ("device", "phone"),
        ("connection", "4g"),
        ("navigation_type", "navigate"),
        ("release", "2026.11.1"),
    ];
    let report = |metric: &str, series: &str, value, delta| VitalReport {
        key: VitalKey { site: "shop".into(), id: "f3b1".into(), metric: metric.into() },
        sequence: Some(2),
        value,
        delta,
        is_final: true,
        start: Timestamp::from_millis(1_763_679_994_880),
        received: NOW,
        weight: 2,
        labels: crate::base::Labels::metric(series, labels),
    };
    assert_eq!(got[1], report("CLS", "web_vitals_cls", 0.05, None));
    let mut lcp = report("LCP", "web_vitals_lcp_seconds", 1.8342, got[0].delta);
    assert!((got[0].delta.unwrap() - 0.1342).abs() < 1e-12);
    lcp.delta = got[0].delta;
    assert_eq!(got[0], lcp);
}

#[test]
fn the_librarys_objects_one_or_many() {
    let inp = r#"{"name":"INP","value":104,"delta":-200,"id":"v5-1-2","rating":"good","entries":[{"a":[1,{}]}],
        "navigationType":"back_forward","navigationURL":"https://a.example/x/77?q","navigationId":0}"#;
    let report = reports(inp).remove(0).unwrap();
    assert_eq!((report.value, report.delta, report.weight), (0.104, Some(-0.2), 1));
    assert_eq!((report.key.id.as_str(), report.sequence, report.start), ("v5-1-2", None, NOW));
    assert_eq!(report.labels.value("navigation_type"), "back-forward");
    assert_eq!(report.labels.value("route"), "/x/*");
    let many = format!("[{inp},{{\"name\":\"CLS\",\"value\":\"x\"}},{inp}]");
    let results: Vec<bool> = reports(&many).iter().map(Result::is_ok).collect();
    assert_eq!(results, [true, false, true]);
}

#[test]
fn every_refusal_has_its_reason() {
    let metric = |m: &str| format!(r#"{{"v":1,"view":"a","metrics":[{m}]}}"#);
    for (body, expected) in [
        ("{".to_owned(), DropReason::Malformed),
        (String::new(), DropReason::Malformed),
        ("[1]".to_owned(), DropReason::Invalid),
        (r#"{"v":2,"metrics":[]}"#.to_owned(), DropReason::Invalid),
        (r#"{"metrics":[{}]}"#.to_owned(), DropReason::Invalid),
        (r#"{"v":1}"#.to_owned(), DropReason::Invalid),
        (r#"{"v":1,"age":"old","metrics":[]}"#.to_owned(), DropReason::Invalid),
        (metric(r#"{"name":"LCP"}"#), DropReason::Invalid),
        (metric(r#"{"name":"LCP","value":null}"#), DropReason::Invalid),
        (metric(r#"{"name":"LCP","value":"1"}"#), DropReason::Invalid),
        (metric(r#"{"value":1}"#), DropReason::Invalid),
        (metric(r#"{"name":"lcp","value":1}"#), DropReason::UnknownMetric),
        (metric(r#"{"name":"LCP","value":120001}"#), DropReason::Implausible),
        (metric(r#"{"name":"INP","value":60001}"#), DropReason::Implausible),
        (metric(r#"{"name":"CLS","value":101}"#), DropReason::Implausible),
        (metric(r#"{"name":"TTFB","value":-1}"#), DropReason::Implausible),
        (metric(r#"{"name":"FCP","value":1e999}"#), DropReason::Implausible),
        (r#"{"v":1,"metrics":[{"name":"LCP","value":1}]}"#.to_owned(), DropReason::Invalid),
        (r#"{"v":1,"rate":0,"view":"a","metrics":[{"name":"LCP","value":1}]}"#.to_owned(), DropReason::Implausible),
        (
            format!(r#"{{"v":1,"view":"{}","metrics":[{{"name":"LCP","value":1}}]}}"#, "x".repeat(129)),
            DropReason::TooLong,
        ),
        (r#"{"v":1,"view":"a","webdriver":true,"metrics":[{"name":"LCP","value":1}]}"#.to_owned(), DropReason::Bot),
    ] {
        assert_eq!(reason(&body), expected, "{body}");
    }
}

#[test]
fn a_ttfb_that_stands_for_nothing_is_a_dummy() {
    for kind in ["back-forward-cache", "soft-navigation"] {
        let body = format!(
            r#"{{"v":1,"view":"a","navigation":"{kind}","metrics":[{{"name":"TTFB","value":0}},{{"name":"LCP","value":21.3}}]}}"#
        );
        let got = reports(&body);
        assert_eq!(got[0].as_ref().unwrap_err().reason, DropReason::Dummy);
        assert_eq!(got[1].as_ref().unwrap().labels.value("navigation_type"), kind);
    }
}

#[test]
fn ages_are_bounded_and_never_in_the_future() {
    for (age, expected) in
        [("1e12", NOW - Duration::from_secs(86_400)), ("-5", NOW), ("1000", NOW - Duration::from_secs(1))]
    {
        let body = format!(r#"{{"v":1,"view":"a","age":{age},"metrics":[{{"name":"LCP","value":1}}]}}"#);
        assert_eq!(reports(&body).remove(0).unwrap().start, expected);
    }
}

#[test]
fn automated_browsers_count_when_allowed() {
    let sender = Sender { user_agent: "X11 HeadlessChrome/142", ..Sender::default() };
    let got = reports_of(BEACON, &sender, &Settings::default());
    assert_eq!(got[0].as_ref().unwrap_err().reason, DropReason::Bot);
    let allowed = Settings { allow_automated_browsers: true, ..Settings::default() };
    assert!(reports_of(BEACON, &sender, &allowed)[0].is_ok());
    let crawler = Sender { user_agent: "Googlebot/2.1", ..Sender::default() };
    assert!(reports_of(BEACON, &crawler, &allowed)[0].is_err());
}
