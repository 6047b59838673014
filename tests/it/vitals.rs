//! Web vitals through the real binary: provisional at once, counted once they have settled, through SIGKILL.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::plimsoll::{Plimsoll, client};
use crate::support::wait::until;

/// Nothing settles by the pause while the test runs.
const CONFIG: &str = "objectives: []\nvitals: {settle: 1h}\nbrowser_prefix: /b\n";

async fn beacon(service: &Plimsoll, view: &str, n: u64, inp: f64, is_final: bool) {
    let body = json!({"v": 1, "site": "shop", "view": view, "n": n, "age": 10, "route": "/cart", "final": is_final,
        "metrics": [{"name": "INP", "value": inp, "attribution": {"target": "#buy"}}]});
    let reply = client().post(format!("{}/b/vitals", service.url())).body(body.to_string()).send().await.unwrap();
    assert_eq!(reply.status(), 204);
}

async fn summary(service: &Plimsoll) -> Value {
    let url = format!("{}/api/performance/metrics?window=1h", service.url());
    client().get(url).send().await.unwrap().json().await.unwrap()
}

async fn query(service: &Plimsoll, expression: &str) -> f64 {
    let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
    let reply = client().get(format!("{}/api/v1/query?{form}", service.url())).send().await.unwrap();
    let answer: Value = reply.json().await.unwrap();
    answer["data"]["result"][0]["value"][1].as_str().map_or(0.0, |v| v.parse().unwrap())
}

/// How many views count, and in how many of them INP is within 200 ms.
async fn counted(service: &Plimsoll) -> (f64, f64) {
    let good = r#"sum(web_vitals_inp_seconds_bucket{le="0.2"})"#;
    (query(service, "sum(web_vitals_inp_seconds_count)").await, query(service, good).await)
}

#[tokio::test]
async fn a_view_that_goes_on_after_sigkill_counts_once_with_its_last_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Plimsoll::start(folder.path(), CONFIG).await;
    beacon(&service, "a", 1, 304.0, false).await;
    beacon(&service, "b", 1, 600.0, false).await;
    let shown = summary(&service).await;
    assert_eq!(
        (&shown["web_vitals"]["INP"]["count"], &shown["web_vitals"]["INP"]["good_share"]),
        (&json!(2), &json!(0.0))
    );
    assert_eq!((&shown["attribution"][0]["target"], &shown["attribution"][0]["views"]), (&json!("#buy"), &json!(2)));
    assert_eq!(counted(&service).await, (0.0, 0.0), "what may be revised is in no counter");

    service.kill();
    service.restart().await;
    assert_eq!(summary(&service).await["web_vitals"]["INP"]["count"], 2, "nothing is lost");
    // The same again, a fall, and the same again: one view, and a good one.
    beacon(&service, "a", 1, 304.0, false).await;
    beacon(&service, "a", 2, 104.0, false).await;
    beacon(&service, "a", 1, 304.0, false).await;
    let shown = summary(&service).await;
    assert_eq!(
        (&shown["web_vitals"]["INP"]["count"], &shown["web_vitals"]["INP"]["good_share"]),
        (&json!(2), &json!(0.5))
    );
    service.kill();
    service.restart().await;
    beacon(&service, "a", 3, 112.0, true).await;
    until("the final report settles", Duration::from_secs(20), || async {
        let counted = counted(&service).await;
        if counted == (1.0, 1.0) { Ok(()) } else { Err(format!("{counted:?}")) }
    })
    .await;
    service.kill();
    service.restart().await;
    beacon(&service, "a", 4, 900.0, true).await;
    assert_eq!(counted(&service).await, (1.0, 1.0), "too late: settled is settled, on either side of a crash");
    let shown = summary(&service).await;
    assert_eq!(
        (&shown["web_vitals"]["INP"]["count"], &shown["web_vitals"]["INP"]["good_share"]),
        (&json!(2), &json!(0.5))
    );
    let late = r#"plimsoll_ingest_dropped_total{reason="late"}"#;
    until("the late report is told", Duration::from_secs(30), || async {
        let late = query(&service, late).await;
        if late == 1.0 { Ok(()) } else { Err(late.to_string()) }
    })
    .await;
}
