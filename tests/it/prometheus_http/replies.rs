//! Compression, tags, pieces, and clients that go away.

use std::time::Duration;

use bytes::Bytes;
use plimsoll::base::bounded::{Encoding, unpack};
use plimsoll::base::{Clock, SystemClock};
use serde_json::Value;

use super::{Pair, form};
use crate::support::plimsoll::client;
use crate::support::wait::until;

/// A result of some hundred kilobytes.
fn large(pair: &Pair) -> String {
    let (start, end) = (pair.seconds(0), pair.seconds(1100));
    let parameters = form(&[
        ("query", "{__name__=~\"requests_total|temperature|odd|latency_seconds_bucket\"} * 1.01"),
        ("start", &start),
        ("end", &end),
        ("step", "0.5"),
    ]);
    format!("{}/api/v1/query_range?{parameters}", pair.service.url())
}

async fn get(url: &str, headers: &[(&str, &str)]) -> (u16, reqwest::header::HeaderMap, Bytes) {
    let request = headers.iter().fold(client().get(url), |r, (name, value)| r.header(*name, *value));
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.headers().clone(), reply.bytes().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_replies_come_in_pieces_and_packed_as_asked() {
    let pair = Pair::start().await;
    let url = large(&pair);
    let (_, headers, plain) = get(&url, &[]).await;
    assert!(plain.len() > 200_000, "{}", plain.len());
    assert!(!headers.contains_key("content-length") && !headers.contains_key("content-encoding"), "{headers:?}");
    assert_eq!(headers["content-type"], "application/json");
    let read: Value = serde_json::from_slice(&plain).unwrap();
    assert!(read["data"]["result"].as_array().unwrap().len() > 10);
    for (name, encoding) in [("gzip", Encoding::Gzip), ("zstd", Encoding::Zstd)] {
        let (_, headers, packed) = get(&url, &[("accept-encoding", name)]).await;
        assert_eq!(headers["content-encoding"], name);
        assert!(packed.len() * 3 < plain.len(), "{name}: {} of {}", packed.len(), plain.len());
        assert_eq!(unpack(packed, encoding, 64 << 20).unwrap(), plain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_replies_are_sent_as_they_are() {
    let pair = Pair::start().await;
    let url = format!("{}/api/v1/query?query=1", pair.service.url());
    let (_, headers, body) = get(&url, &[("accept-encoding", "gzip, zstd")]).await;
    assert_eq!(
        (headers.get("content-encoding"), headers["content-length"].to_str().unwrap()),
        (None, body.len().to_string().as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let pair = Pair::start().await;
    for path in ["label/__name__/values?match[]=odd", "series?match[]=requests_total", "rules", "status/flags"] {
        let url = format!("{}/api/v1/{path}", pair.service.url());
        let (status, headers, body) = get(&url, &[]).await;
        let tag = headers["etag"].to_str().unwrap();
        assert!(status == 200 && !body.is_empty() && !tag.starts_with("W/"), "{path}");
        let (status, again, body) = get(&url, &[("if-none-match", tag)]).await;
        assert_eq!((status, again["etag"].to_str().unwrap(), body.len()), (304, tag, 0), "{path}");
    }
}

/// Seconds of processor time that the service has used.
fn used(pair: &Pair) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pair.service.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

async fn canceled(pair: &Pair) -> u64 {
    let (_, _, body) = get(&format!("{}/metrics", pair.service.url()), &[]).await;
    let text = String::from_utf8_lossy(&body).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("plimsoll_queries_total{outcome=\"canceled\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Minutes of work, in rows of a second or two.
fn hard() -> String {
    let series = "label_replace({job!=\"\"}, \"n\", \"$1\", \"__name__\", \"(.*)\")";
    let part = |offset: u64| format!("quantile_over_time(0.5, {series}[3h:1s] offset {offset}s)");
    (1..=8).map(part).collect::<Vec<_>>().join(" + ignoring (none) ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_its_query() {
    let pair = Pair::start().await;
    assert_eq!(canceled(&pair).await, 0);
    let parameters =
        form(&[("query", &hard()), ("start", &pair.seconds(0)), ("end", &pair.seconds(10_000)), ("step", "1")]);
    let url = format!("{}/api/v1/query_range?{parameters}", pair.service.url());
    let gone = client().get(url).timeout(Duration::from_secs(2)).send().await;
    assert!(gone.is_err_and(|e| e.is_timeout()), "the query is long enough");
    // Work goes on for a moment, then nothing does: half a second with a twentieth of a processor.
    let mut looked = (SystemClock.monotonic(), used(&pair));
    until("the service rests", Duration::from_secs(20), || {
        let (now, ticks) = (SystemClock.monotonic(), used(&pair));
        let (before, then) = looked;
        let passed = now.saturating_sub(before);
        let rests = passed >= Duration::from_millis(500) && ticks - then <= 5;
        if passed >= Duration::from_millis(500) {
            looked = (now, ticks);
        }
        std::future::ready(if rests { Ok(()) } else { Err(format!("{} ticks in {passed:?}", ticks - then)) })
    })
    .await;
    until("it is counted", Duration::from_secs(40), || async {
        let count = canceled(&pair).await;
        if count == 1 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    let others = pair.ours("/api/v1/query?query=1").await;
    assert_eq!(others["result"][1], "1");
}
