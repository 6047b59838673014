//! Every query of every dashboard, and every figure of the web pages, on the real service with real peers.

mod community;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::postgres::Postgres;
use crate::support::receiver::Receiver;
use crate::support::redis::Redis;
use crate::support::wait;

const OBJECTIVES: &str = r#"
objectives:
  - name: shop-availability
    title: The shop answers without errors
    indicator:
      ratio:
        good: http_server_request_duration_seconds_count{service_name="shop-api",http_response_status_code!~"5.."}
        total: http_server_request_duration_seconds_count{service_name="shop-api"}
        over: 1m
    critical: {below: 99%, for: 0s}
    budget: {objective: 99%, window: 1d}
    escalation: on-call
escalations:
  - name: on-call
    levels:
      - {after: 0s, notify: [hook]}
"#;

const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// Everything that a dashboard shows, at work.
struct World {
    folder: tempfile::TempDir,
    receiver: Receiver,
    redis: Redis,
    _replica: Redis,
    postgres: Postgres,
    service: Plimsoll,
}

impl World {
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let redis = Redis::start(&["--maxmemory", "4mb", "--repl-diskless-sync-delay", "0"]).await;
        let replica = Redis::start(&["--replicaof", "127.0.0.1", &redis.port().to_string()]).await;
        let postgres = Postgres::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("objectives.yaml"), OBJECTIVES).unwrap();
        let config = format!(
            "objectives: [objectives.yaml]\n\
             evaluate_every: 1s\n\
             vitals: {{settle: 1s}}\n\
             collect:\n\
             \x20 redis: [{{name: cache-1, url: '{}', every: 1s}}]\n\
             \x20 postgres: [{{name: main, url: '{}', every: 1s}}]\n\
             \x20 host: true\n\
             channels:\n\
             \x20 - {{name: hook, webhook: {{url: '{}/hook'}}}}\n",
            redis.url(),
            postgres.url(),
            receiver.url(),
        );
        let service = Plimsoll::start(folder.path(), &config).await;
        Self { folder, receiver, redis, _replica: replica, postgres, service }
    }

    /// Some of everything: requests, statements, look-ups, operations, page views, and one line to drop.
    async fn live(&self, round: u64) {
        self.redis.cli(&["SET", &format!("key{round}"), "1", "PX", "500"]);
        self.redis.cli(&["MGET", "key0", "steady", "nothing"]);
        self.redis.cli(&["SET", "steady", "1"]);
        self.postgres.psql("SELECT count(*) FROM pg_class");
        self.post("/ingest/timings", &timings()).await;
        for (i, (route, device)) in [("/", "mobile"), ("/product/:id", "desktop")].into_iter().enumerate() {
            self.post("/ingest/vitals", &beacon(&format!("{round}-{i}"), route, device)).await;
        }
    }

    async fn post(&self, path: &str, body: &Value) {
        let request = client().post(format!("{}{path}", self.service.url())).header("user-agent", BROWSER);
        let reply = request.json(body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {} {}", reply.status(), reply.text().await.unwrap_or_default());
    }

    async fn text(&self, path: &str) -> String {
        let reply = client().get(format!("{}{path}", self.service.url())).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.text().await.unwrap()
    }

    async fn data(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = url::Url::parse(&format!("{}{path}", self.service.url())).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let mut answer: Value = client().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].take()
    }

    /// Whether the query gives at least one number: a result of NaN alone draws nothing.
    async fn answers(&self, query: &str) -> bool {
        let data = self.data("/api/v1/query", &[("query", query)]).await;
        let samples = data["result"].as_array().unwrap();
        samples.iter().any(|s| s["value"][1].as_str().unwrap().parse::<f64>().unwrap().is_finite())
    }

    /// `label_values(SELECTOR, LABEL)`, as Grafana asks it.
    async fn offers(&self, definition: &str) -> bool {
        let inside = definition.strip_prefix("label_values(").and_then(|d| d.strip_suffix(')')).expect("label_values");
        let (selector, label) = inside.rsplit_once(", ").expect("two arguments");
        let values = self.data(&format!("/api/v1/label/{label}/values"), &[("match[]", selector)]).await;
        !values.as_array().unwrap().is_empty()
    }
}

fn timings() -> Value {
    let http = |route: &str, status: u16, ms: f64| json!({"kind": "http", "service": "shop-api", "route": route, "method": "GET", "status": status, "duration_ms": ms});
    let db = |operation: &str, ms: f64| json!({"kind": "db", "service": "shop-api", "operation": operation, "system": "postgresql", "duration_ms": ms});
    let cache = |outcome: &str| json!({"kind": "cache", "service": "shop-api", "layer": "memory", "operation": "get", "outcome": outcome, "duration_ms": 0.2});
    let operation = |success: bool| json!({"kind": "operation", "service": "shop-api", "operation": "invoice", "duration_ms": 320, "success": success});
    json!([
        http("/products", 200, 12.5),
        http("/products/:id", 404, 4.0),
        http("/orders", 500, 81.0),
        db("simple_query", 4.2),
        db("join", 31.0),
        cache("hit"),
        cache("hit"),
        cache("miss"),
        operation(true),
        operation(false),
        {"kind": "nonsense"}
    ])
}

fn beacon(view: &str, route: &str, device: &str) -> Value {
    let metric = |name: &str, value: f64| json!({"name": name, "value": value, "id": format!("v6-{name}-{view}")});
    json!({
        "v": 1, "site": "shop", "view": view, "n": 1, "age": 900, "page": format!("https://shop.example{route}"),
        "route": route, "navigation": "navigate", "device": device, "final": true,
        "metrics": [metric("LCP", 1834.2), metric("INP", 64.0), metric("CLS", 0.02), metric("FCP", 900.5), metric("TTFB", 120.0)]
    })
}

/// What `plimsoll export dashboards` writes in `folder`: the queries with Grafana's variables filled in, and
/// the sources of the choices.
fn exported(folder: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (status, _, error) = run(folder, &["export", "dashboards", "--out", "out"]);
    assert_eq!(status, 0, "{error}");
    let (mut queries, mut choices) = (BTreeSet::new(), BTreeSet::new());
    for file in std::fs::read_dir(folder.join("out")).unwrap() {
        let dashboard: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        for target in dashboard["panels"].as_array().unwrap().iter().flat_map(|p| p["targets"].as_array()).flatten() {
            queries.insert(filled(target["expr"].as_str().unwrap()));
        }
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        choices.extend(variables.iter().filter_map(|v| Some(v["definition"].as_str()?.to_owned())));
    }
    assert!(queries.len() > 60 && choices.len() >= 5, "{queries:#?} {choices:#?}");
    (queries, choices)
}

fn filled(query: &str) -> String {
    let mut query = query.replace("$__rate_interval", "1m").replace("$__range", "5m");
    for variable in ["$service", "$site", "$device", "$instance", "$objective"] {
        query = query.replace(variable, ".*");
    }
    assert!(!query.contains('$'), "a variable that nobody fills in: {query}");
    query
}

#[tokio::test]
async fn every_query_of_every_dashboard_and_every_page_answers() {
    let world = World::start().await;
    let (queries, choices) = exported(world.folder.path());
    let mut round = 0;
    wait::until("every query answers", Duration::from_secs(90), || {
        round += 1;
        let (world, queries, choices) = (&world, &queries, &choices);
        async move {
            world.live(round).await;
            let mut silent = Vec::new();
            for query in queries {
                if !world.answers(query).await {
                    silent.push(query);
                }
            }
            for choice in choices {
                if !world.offers(choice).await {
                    silent.push(choice);
                }
            }
            if silent.is_empty() { Ok(()) } else { Err(format!("without an answer: {silent:#?}")) }
        }
    })
    .await;
    world.receiver.wait_for("/hook", 1, Duration::from_secs(20)).await;
    pages(&world).await;
}

const REDIS: [&str; 14] = [
    "cache-1",
    "of its memory limit",
    "memory used",
    "hit ratio, 5 min",
    "commands",
    "clients",
    "blocked clients",
    "rejected connections, 1 h",
    "evicted",
    "expired",
    "keys",
    "fragmentation",
    "replicas",
    "running for",
];

const POSTGRES: [&str; 14] = [
    "main",
    "of its connection limit",
    "connections",
    "cache hits, 5 min",
    "rolled back, 5 min",
    "transactions",
    "waiting for locks",
    "longest lock wait",
    "longest transaction",
    "deadlocks, 1 h",
    "temporary files, 5 min",
    "replication lag",
    "size",
    "running for",
];

async fn pages(world: &World) {
    for (path, expected) in [("/redis", REDIS), ("/postgres", POSTGRES)] {
        shows(world, path, &[&expected[..], &["<span class=\"badge ok\">up</span>"]].concat()).await;
    }
    shows(world, "/redis", &["replica's lag"]).await;
    shows(world, "/vitals", &["/product/:id", "LCP", "INP", "CLS", "FCP", "TTFB", ">1.8", ">64"]).await;
    let title = "The shop answers without errors";
    shows(world, "/", &[title, "1 critical", "Acknowledge", "of 1d"]).await;
    shows(world, "/objectives/shop-availability", &[title, "class=\"line l0\"", "Budget of 1d", "Acknowledge"]).await;
}

/// The page has these words, and nowhere a dash in place of a figure.
async fn shows(world: &World, path: &str, expected: &[&str]) {
    let page = world.text(path).await;
    for words in expected {
        assert!(page.contains(words), "{words:?} is not on {path}: {page}");
    }
    for empty in ["no data", ">—<", "no events", "could not be read"] {
        assert!(!page.contains(empty), "{empty:?} is on {path}: {page}");
    }
}
