//! The same question to both, and the answers compared: JSON value by value, the text of numbers included.

use serde_json::Value;

use super::{Pair, form};

/// Both answer these with the same text. Sums here are of whole numbers, and no function is transcendental: the
/// last digit of the others depends on the order of summands and on the library that computes them.
const EXPRESSIONS: &[&str] = &[
    "odd",
    "nothing",
    "-odd",
    "odd * 2",
    "odd / 3",
    "temperature",
    "temperature / 7",
    "1/3",
    "\"text\"",
    "time()",
    "vector(1e-300)",
    "requests_total",
    "requests_total{code=~\"2..|4..\"}",
    "rate(requests_total[5m])",
    "increase(requests_total[10m])",
    "irate(requests_total[1m])",
    "delta(temperature[5m])",
    "deriv(temperature[5m])",
    "resets(requests_total[15m])",
    "changes(temperature[2m])",
    "sum(requests_total)",
    "sum by (job) (requests_total)",
    "sum without (code) (requests_total)",
    "avg(requests_total)",
    "max(temperature)",
    "stddev(requests_total)",
    "topk(2, requests_total)",
    "count_values(\"v\", temperature)",
    "quantile(0.5, requests_total)",
    "sum_over_time(requests_total[3m])",
    "max_over_time(odd[2m])",
    "quantile_over_time(0.9, temperature[5m])",
    "stddev_over_time(temperature[5m])",
    "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
    "histogram_quantile(0.5, latency_seconds_bucket)",
    "rate(latency_seconds_sum[5m]) / rate(latency_seconds_count[5m])",
    "requests_total > 1000",
    "requests_total == bool 1000",
    "requests_total and on (job) latency_seconds_count",
    "latency_seconds_count or requests_total",
    "requests_total unless requests_total{code=\"200\"}",
    "requests_total{code=\"500\"} / ignoring (code) group_left requests_total{code=\"200\",job=\"api\"}",
    "label_replace(requests_total, \"class\", \"${1}xx\", \"code\", \"(.).*\")",
    "label_join(requests_total, \"both\", \"-\", \"job\", \"code\")",
    "absent(none)",
    "clamp(temperature, 2, 5)",
    "round(temperature, 0.5)",
    "sqrt(temperature)",
    "max_over_time(rate(requests_total[1m])[5m:30s])",
    "requests_total offset 5m",
    "predict_linear(temperature[5m], 600)",
    "timestamp(temperature)",
    "hour(vector(1e9))",
    "none",
];

/// The reply without what is said about it: which notes there are differs between versions.
fn bare(reply: &Value) -> Value {
    let mut reply = reply.clone();
    for notes in ["warnings", "infos"] {
        reply.as_object_mut().unwrap().remove(notes);
    }
    reply
}

/// Instant vectors have no order, unless their expression gives them one.
fn sorted(mut reply: Value) -> Value {
    let result = reply.pointer_mut("/data/result").and_then(Value::as_array_mut);
    if let Some(result) = result.filter(|r| r.iter().all(Value::is_object)) {
        result.sort_by_key(|element| element["metric"].to_string());
    }
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn both_answer_with_the_same_text() {
    let pair = Pair::start().await;
    let mut differences = Vec::new();
    let (mut values, times) = (0, [300, 765, 1100].map(|after| pair.seconds(after)));
    for expression in EXPRESSIONS {
        let mut questions = Vec::new();
        for at in &times {
            questions.push(format!("/api/v1/query?{}", form(&[("query", expression), ("time", at)])));
        }
        let range = [("query", *expression), ("start", &times[0]), ("end", &times[2]), ("step", "35")];
        questions.push(format!("/api/v1/query_range?{}", form(&range)));
        for path in questions {
            let [theirs, ours] = pair.both("GET", &path, None).await;
            let (theirs, ours) = (sorted(bare(&theirs.json)), sorted(bare(&ours.json)));
            values += theirs.to_string().matches("\"value").count();
            if theirs["status"] == "error" && ours["status"] == "error" && theirs["errorType"] == ours["errorType"] {
                continue;
            }
            if theirs != ours {
                differences.push(format!("{expression}\n  {path}\n  theirs {theirs}\n  ours   {ours}"));
            }
        }
    }
    assert!(values > 300, "{values}");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Method, path, form. Both accept them and answer the same, or both refuse them with the same status and type.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "query", ""),
    ("GET", "query", "query="),
    ("GET", "query", "query=sum("),
    ("GET", "query", "query=1&time=x"),
    ("GET", "query", "query=1&time=1.5"),
    ("GET", "query", "query=1&time=-1.0625"),
    ("GET", "query", "query=1&time=1e3"),
    ("GET", "query", "query=1&time=2020-02-03T04:05:06Z"),
    ("GET", "query", "query=1&time=2020-02-03T04:05:06.789123Z"),
    ("GET", "query", "query=1&time=2020-02-03T04:05:06%2B01:30"),
    ("GET", "query", "query=1&time=2020-02-03"),
    ("GET", "query", "query=1&timeout=x"),
    ("GET", "query", "query=1&timeout=1d&time=BASE"),
    ("GET", "query", "query=temperature%2Bon()temperature&time=BASE"),
    ("GET", "query", "query=label_replace(odd,%22a%22,%22b%22,%22c%22,%22(%22)&time=BASE"),
    ("POST", "query", "query=odd&time=BASE"),
    ("POST", "query_range", "query=odd&start=BASE&end=BASE&step=1m"),
    ("GET", "query_range", "query=odd&start=BASE&end=BASE&step=0.5"),
    ("GET", "query_range", "query=odd&start=BASE&end=BASE&step=0"),
    ("GET", "query_range", "query=odd&start=BASE&end=BASE&step=-1"),
    ("GET", "query_range", "query=odd&start=BASE&end=BASE&step=x"),
    ("GET", "query_range", "query=odd&start=BASE&end=BASE"),
    ("GET", "query_range", "query=odd&start=BASE&end=1&step=1"),
    ("GET", "query_range", "query=odd&end=1&step=1"),
    ("GET", "query_range", "query=odd&start=0&end=11000&step=1"),
    ("GET", "query_range", "query=odd&start=0&end=11001&step=1"),
    ("GET", "query_range", "query=odd[5m]&start=0&end=1&step=1"),
    ("GET", "query_range", "query=%22x%22&start=0&end=1&step=1"),
    ("GET", "series", ""),
    ("GET", "series", "match[]={}"),
    ("GET", "series", "match[]=odd&match[]=temperature"),
    ("POST", "series", "match[]={job=~%22a.*%22}"),
    ("GET", "series", "match[]=odd&start=x"),
    ("GET", "series", "match[]=odd&start=2&end=1"),
    ("GET", "series", "match[]=odd&start=1&end=2"),
    ("GET", "series", "match[]=odd&start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z"),
    ("GET", "labels", "match[]=requests_total"),
    ("POST", "labels", "match[]=requests_total"),
    ("GET", "labels", "match[]=sum(x)"),
    ("GET", "labels", "end=x"),
    ("GET", "label/job/values", "match[]=requests_total"),
    ("GET", "label/room/values", ""),
    ("GET", "label/none/values", ""),
    ("GET", "label/__name__/values", "match[]={job=%22api%22}"),
    ("GET", "label/job/values", "match[]={"),
    ("GET", "format_query", "query=sum(odd)by(job)"),
    ("POST", "format_query", "query=odd%2B1"),
    ("GET", "format_query", "query=("),
    ("GET", "query_exemplars", "query=odd&start=1&end=2"),
    ("POST", "query_exemplars", "query=odd&start=1&end=2"),
    ("GET", "query_exemplars", "query=("),
    ("GET", "metadata", "limit=x"),
    ("GET", "rules", ""),
    ("GET", "rules", "type=x"),
    ("GET", "rules", "type=record"),
    ("GET", "alerts", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn both_accept_and_refuse_the_same() {
    let pair = Pair::start().await;
    let mut differences = Vec::new();
    for (method, action, parameters) in REQUESTS {
        let parameters = parameters.replace("BASE", &pair.seconds(600)).replace('{', "%7B").replace('}', "%7D");
        let [theirs, ours] = match *method {
            "POST" => pair.both("POST", &format!("/api/v1/{action}"), Some(&parameters)).await,
            _ => pair.both("GET", &format!("/api/v1/{action}?{parameters}"), None).await,
        };
        let told = |r: &super::Reply| (r.status, r.json["errorType"].clone());
        let data = |r: &super::Reply| sorted(bare(&r.json))["data"].clone();
        if told(&theirs) != told(&ours) || data(&theirs) != data(&ours) {
            let line = |r: &super::Reply| format!("{} {}", r.status, r.json);
            differences.push(format!("{method} {action}?{parameters}\n  {}\n  {}", line(&theirs), line(&ours)));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_count_the_same_samples() {
    let pair = Pair::start().await;
    let (start, end) = (pair.seconds(300), pair.seconds(900));
    for expression in ["odd", "requests_total", "rate(requests_total[5m])", "odd + odd offset 1m", "1", "sum(none)"] {
        let instant = format!("query?{}", form(&[("query", expression), ("time", &end), ("stats", "all")]));
        let range = [("query", expression), ("start", &start), ("end", &end), ("step", "30"), ("stats", "all")];
        for path in [instant, format!("query_range?{}", form(&range))] {
            let [theirs, ours] = pair.both("GET", &format!("/api/v1/{path}"), None).await;
            let of = |r: &super::Reply| r.json["data"]["stats"]["samples"]["totalQueryableSamples"].clone();
            assert!(of(&theirs).is_number() && of(&theirs) == of(&ours), "{path}: {} {}", of(&theirs), of(&ours));
            let names = |r: &super::Reply| {
                r.json["data"]["stats"]["timings"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(names(&theirs), names(&ours));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_tell_browsers_the_same() {
    let pair = Pair::start().await;
    for (method, path) in [("OPTIONS", "/api/v1/query"), ("OPTIONS", "/api/v1/rules"), ("GET", "/api/v1/labels")] {
        let [theirs, ours] = pair.both(method, path, None).await;
        assert_eq!(theirs.status, ours.status, "{method} {path}");
        for header in ["allow-headers", "allow-methods", "allow-origin", "expose-headers"] {
            let header = format!("access-control-{header}");
            assert_eq!(theirs.headers.get(&header), ours.headers.get(&header), "{method} {path} {header}");
            assert!(ours.headers.contains_key(&header), "{header}");
        }
    }
}
