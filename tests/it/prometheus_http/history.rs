//! Samples of yesterday, sent by remote write: they are answered as by a Prometheus that got the same, also when the
//! process is killed as soon as it has acknowledged them, and however often they are sent.

use super::{Pair, ask, form, samples, send};

const EXPRESSIONS: &[&str] = &[
    "requests_total",
    "odd",
    "nothing",
    "sum by (job) (rate(requests_total[5m]))",
    "increase(requests_total[10m])",
    "resets(requests_total[15m])",
    "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
    "max_over_time(temperature[2m])",
    "max_over_time(rate(requests_total[1m])[5m:30s])",
];

async fn assert_same(pair: &Pair, when: &str) {
    let (start, end) = (pair.seconds(30), pair.seconds(1100));
    for expression in EXPRESSIONS {
        let parameters = form(&[("query", expression), ("start", &start), ("end", &end), ("step", "70")]);
        let [theirs, ours] = pair.both("GET", &format!("/api/v1/query_range?{parameters}"), None).await;
        assert!(!theirs.json["data"]["result"].as_array().unwrap().is_empty(), "{expression}");
        assert_eq!(theirs.json["data"], ours.json["data"], "{expression}, {when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterday_is_answered_as_by_one_that_was_there() {
    let mut pair = Pair::start_with_age(26 * 3600).await;
    assert_same(&pair, "sent once").await;
    // Acknowledged and killed: the journal has it, the pages do not.
    let url = pair.service.url();
    let more = [("late_total", 1.0), ("late_total", 2.0)].map(|(name, value)| {
        crate::remote_write::schema::v1::series(
            &[("__name__", name), ("n", &value.to_string())],
            &[(value, pair.base)],
            vec![],
        )
    });
    assert_eq!(send(&url, more.to_vec()).await, 204);
    assert_eq!(send(&url, samples(pair.base)).await, 204);
    pair.service.kill();
    pair.service.restart().await;
    pair.wait_until_both_have_all().await;
    assert_same(&pair, "sent twice and killed").await;
    let path = format!("/api/v1/query?query=sum(late_total)&time={}", pair.base / 1000 + 1);
    crate::support::wait::until("what was acknowledged is there", std::time::Duration::from_secs(30), || async {
        let found = ask(&pair.service.url(), "GET", &path, None).await.json["data"]["result"][0]["value"][1].clone();
        if found == "3" { Ok(()) } else { Err(format!("{found}")) }
    })
    .await;
}
