//! Redis and PostgreSQL, real ones: what is collected is what they say of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plimsoll::base::clock::BoxFuture;
use plimsoll::base::{Clock, Secret, SystemClock, Timestamp};
use plimsoll::collect::{
    CollectError, Collector, Cycle, PostgresCollector, PostgresTarget, RedisCollector, RedisTarget, Schedule, Settings,
    build,
};
use plimsoll::ingest::{postgres_rows, redis_text};
use plimsoll::series::{Batch, Delta, Item, RecordError, Recorded, Recorder};
use sqlx::{Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::support::postgres::Postgres;
use crate::support::process::{Process, free_port};
use crate::support::redis::Redis;
use crate::support::wait::until;

mod exporters;

/// Samples by series, as `name{label="value"}` without the target's own labels.
type Samples = BTreeMap<String, f64>;

fn samples(items: &[Item]) -> Samples {
    let own = ["instance", "job", "namespace", "release", "kubernetes_namespace"];
    let by_name = items.iter().map(|item| {
        let Delta::Sample(value) = item.delta else { panic!("{item:?}") };
        (item.labels.without(&own).to_string().replace("\", ", "\","), value)
    });
    by_name.collect()
}

fn redis_collector(url: String) -> RedisCollector {
    let every = Duration::from_secs(10);
    RedisCollector::new(RedisTarget { name: "cache-1".into(), url: Secret::new(url), every, labels: Vec::new() })
}

fn postgres_collector(url: String) -> PostgresCollector {
    let every = Duration::from_secs(10);
    PostgresCollector::new(PostgresTarget { name: "main".into(), url: Secret::new(url), every, labels: Vec::new() })
}

/// One cycle as the schedule runs it, with its status.
async fn cycle(collector: &mut dyn Collector, now: Timestamp) -> (Samples, Option<CollectError>) {
    let result = collector.collect(now).await;
    let took = Duration::from_millis(5);
    let status = collector.status(&Cycle { at: now, took, error: result.as_ref().err() });
    let (mut items, error) = match result {
        Ok(items) => (items, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    items.extend(status);
    (samples(&items), error)
}

async fn collected(collector: &mut dyn Collector) -> Samples {
    let (samples, error) = cycle(collector, SystemClock.now()).await;
    assert!(error.is_none(), "{}", error.unwrap().chain());
    samples
}

#[tokio::test]
async fn redis_counts_equal_info_after_known_commands() {
    let redis = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]).await;
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    redis.cli(&["MSET", "a", "1", "b", "2"]);
    redis.cli(&["SET", "c", "3", "EX", "100"]);
    for key in ["a", "b", "a", "nope", "nada"] {
        redis.cli(&["GET", key]);
    }
    redis.cli(&["LPUSH", "a", "wrong type"]);
    let found = collected(&mut redis_collector(redis.url())).await;
    assert_eq!((found["redis_keyspace_hits_total"], found["redis_keyspace_misses_total"]), (3.0, 2.0));
    assert_eq!(found[r#"redis_db_keys{db="db0"}"#], 3.0);
    assert_eq!(found[r#"redis_db_keys_expiring{db="db0"}"#], 1.0);
    assert_eq!(found[r#"redis_commands_total{cmd="get"}"#], 5.0);
    assert_eq!(found[r#"redis_errors_total{err="WRONGTYPE"}"#], 1.0);
    assert_eq!(found["redis_memory_max_bytes"], 3.0 * 1024.0 * 1024.0);
    assert!(found["redis_slowlog_last_id"] >= 8.0 && found["redis_slowlog_length"] >= 9.0, "{found:#?}");
    assert_eq!(found["redis_up"], 1.0);
    let pid: f64 = redis.info("process_id").parse().unwrap();
    assert_eq!(found["redis_process_id"], pid);
    assert_eq!(found["redis_max_clients"], redis.info("maxclients").parse::<f64>().unwrap());
}

#[tokio::test]
async fn redis_evictions_are_seen_and_an_emptied_database_is_zero() {
    let redis = Redis::start(&["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru"]).await;
    redis.cli(&["-n", "3", "SET", "x", "1"]);
    let mut collector = redis_collector(redis.url());
    assert_eq!(collected(&mut collector).await[r#"redis_db_keys{db="db3"}"#], 1.0);
    redis.cli(&["-n", "3", "DEL", "x"]);
    redis.cli(&["EVAL", "for i=1,20000 do redis.call('SET', 'k'..i, string.rep('x', 100)) end", "0"]);
    assert_eq!(collected(&mut collector).await[r#"redis_db_keys{db="db3"}"#], 0.0);
    // The server evicts in small steps after a script.
    until("evictions are counted as the server counts them", Duration::from_secs(20), || {
        let url = redis.url();
        let (own, limit) = (redis.info("evicted_keys").parse::<f64>().unwrap(), redis.info("maxmemory"));
        async move {
            let found = collected(&mut redis_collector(url)).await;
            let (seen, used) = (found["redis_evicted_keys_total"], found["redis_memory_used_bytes"]);
            let is_done = used <= limit.parse::<f64>().unwrap();
            if seen == own && seen > 1000.0 && is_done { Ok(()) } else { Err(format!("{seen}, {own} by INFO")) }
        }
    })
    .await;
}

/// Waits until the server has a replica that is online.
async fn online(primary: &Redis) {
    until("the replica is online", Duration::from_secs(20), || async {
        let text = primary.cli(&["INFO", "replication"]);
        if text.contains("state=online") { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test]
async fn redis_replicas_and_their_lag_on_both_sides() {
    let mut primary = Redis::start(&["--repl-ping-replica-period", "1", "--repl-diskless-sync-delay", "0"]).await;
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]).await;
    online(&primary).await;
    let (mut of_primary, mut of_replica) = (redis_collector(primary.url()), redis_collector(replica.url()));
    let peer = format!(r#"slave_ip="127.0.0.1",slave_port="{}""#, replica.port());
    let found = collected(&mut of_primary).await;
    assert_eq!(found["redis_connected_slaves"], 1.0);
    assert!(found[&format!(r#"redis_connected_slave_lag_seconds{{{peer},slave_state="online"}}"#)] <= 1.0);
    let lag = format!("redis_replication_lag_bytes{{{peer}}}");
    until("the replica has caught up", Duration::from_secs(20), || {
        let url = primary.url();
        let lag = lag.clone();
        async move {
            let behind = collected(&mut redis_collector(url)).await[&lag];
            if behind == 0.0 { Ok(()) } else { Err(format!("{behind} bytes behind")) }
        }
    })
    .await;

    replica.signal("STOP");
    primary.cli(&["SET", "big", &"x".repeat(10_000)]);
    assert!(collected(&mut of_primary).await[&lag] > 10_000.0, "a frozen replica falls behind");
    replica.signal("CONT");

    let master = format!(r#"{{master_host="127.0.0.1",master_port="{}"}}"#, primary.port());
    assert_eq!(collected(&mut of_replica).await[&format!("redis_master_link_up{master}")], 1.0);
    primary.kill();
    let (up, lag) = (format!("redis_master_link_up{master}"), format!("redis_replication_lag_seconds{master}"));
    until("a replica without its primary lags", Duration::from_secs(20), || {
        let (url, up, lag) = (replica.url(), up.clone(), lag.clone());
        async move {
            let found = collected(&mut redis_collector(url)).await;
            let lags = found.get(&lag).is_some_and(|seconds| *seconds >= 1.0);
            if found[&up] == 0.0 && lags { Ok(()) } else { Err(format!("{:?}", found.get(&lag))) }
        }
    })
    .await;
}

#[tokio::test]
async fn redis_down_and_up_again_with_the_reason() {
    let mut redis = Redis::start(&[]).await;
    let mut collector = redis_collector(redis.url());
    let mut now = SystemClock.now();
    assert_eq!(cycle(&mut collector, now).await.0["redis_up"], 1.0);
    redis.kill();
    for class in ["lost", "connect"] {
        now = now + Duration::from_secs(60);
        let (found, error) = cycle(&mut collector, now).await;
        assert_eq!((found["redis_up"], error.unwrap().class()), (0.0, class), "{found:?}");
        assert_eq!(found[&format!(r#"redis_exporter_last_scrape_error{{err="{class}"}}"#)], 1.0);
    }
    let (found, error) = cycle(&mut collector, now).await;
    assert!(matches!(error, Some(CollectError::Waiting("connect"))) && found["redis_up"] == 0.0);
    redis.restart().await;
    let (found, _) = cycle(&mut collector, now + Duration::from_secs(60)).await;
    assert_eq!(found["redis_up"], 1.0);
    assert_eq!(found[r#"redis_exporter_last_scrape_error{err="connect"}"#], 0.0);
}

#[tokio::test]
async fn redis_refusals_are_not_repeated_and_a_wrong_password_is_told() {
    let redis = Redis::start(&[]).await;
    redis.cli(&["ACL", "SETUSER", "watcher", "on", ">secret", "+info", "+slowlog|len"]);
    let address = redis.url().replace("redis://", "");
    let mut collector = redis_collector(format!("redis://watcher:secret@{address}"));
    for _ in 0..3 {
        let found = collected(&mut collector).await;
        assert!(found.contains_key("redis_slowlog_length") && !found.contains_key("redis_slowlog_last_id"));
    }
    // CLIENT SETNAME, SLOWLOG GET, LATENCY LATEST: once each.
    assert_eq!(redis.info("errorstat_NOPERM"), "count=3");
    let (found, error) =
        cycle(&mut redis_collector(format!("redis://watcher:wrong@{address}")), SystemClock.now()).await;
    let error = error.unwrap();
    assert_eq!((found["redis_up"], error.class()), (0.0, "login"));
    assert!(!error.chain().contains("wrong@") && !error.chain().contains("secret"), "{}", error.chain());
    let (_, error) = cycle(&mut redis_collector("http://cache:6379".into()), SystemClock.now()).await;
    assert_eq!(error.unwrap().class(), "address");
}

#[tokio::test]
async fn redis_pushed_and_pulled_give_the_same_series() {
    let redis = Redis::start(&[]).await;
    redis.cli(&["SET", "a", "1"]);
    redis.cli(&["GET", "a"]);
    let mut collector = redis_collector(redis.url());
    let now = SystemClock.now();
    // Twice: the first cycle's own commands are in the second one's counts, and in the text's.
    collector.collect(now).await.unwrap();
    let pulled = collector.collect(now).await.unwrap();
    let text = redis.cli(&["INFO", "everything"]);
    let pushed = redis_text::parse(&text, &redis_text::target("cache-1"), now).unwrap();
    let names = |items: &[Item]| items.iter().map(|i| i.labels.clone()).collect::<std::collections::BTreeSet<_>>();
    let (pulled_names, pushed_names) = (names(&pulled), names(&pushed.items));
    let only_pushed: Vec<_> = pushed_names.difference(&pulled_names).collect();
    assert!(only_pushed.is_empty(), "{only_pushed:?}");
    let extras = ["redis_slowlog_length", "redis_last_slow_execution_duration_seconds", "redis_slowlog_last_id"];
    let only_pulled: Vec<_> =
        pulled_names.difference(&pushed_names).filter(|l| !extras.contains(&l.metric_name())).collect();
    assert!(only_pulled.is_empty(), "{only_pulled:?}");
    let (pulled, pushed) = (samples(&pulled), samples(&pushed.items));
    for steady in ["redis_keyspace_hits_total", r#"redis_db_keys{db="db0"}"#, r#"redis_commands_total{cmd="get"}"#] {
        assert_eq!(pulled[steady], pushed[steady], "{steady}");
    }
}

/// Keeps the last value of each series.
#[derive(Default)]
struct Memory(Mutex<Samples>);

impl Recorder for Memory {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        self.0.lock().extend(samples(&batch.items));
        Box::pin(std::future::ready(Ok(Recorded::default())))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedule_sees_servers_go_and_come_back() {
    let (mut redis, mut postgres) = (Redis::start(&[]).await, Postgres::start().await);
    let every = Duration::from_millis(200);
    let settings = Settings {
        redis: vec![RedisTarget { name: "r".into(), url: Secret::new(redis.url()), every, labels: Vec::new() }],
        postgres: vec![PostgresTarget {
            name: "p".into(),
            url: Secret::new(postgres.url()),
            every,
            labels: Vec::new(),
        }],
        host: None,
    };
    let memory = Arc::new(Memory::default());
    let schedule = Schedule::new(build(settings), memory.clone(), Arc::new(SystemClock));
    let stats = schedule.stats();
    let stop = CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(schedule.run(stop.clone()));
    let both_are = |value: f64| {
        let memory = memory.clone();
        async move {
            until(&format!("up is {value}"), Duration::from_secs(60), || async {
                let seen = memory.0.lock().clone();
                let ups = ["redis_up", "pg_up"].map(|name| seen.get(name).copied());
                if ups == [Some(value); 2] { Ok(()) } else { Err(format!("{ups:?}")) }
            })
            .await;
        }
    };
    both_are(1.0).await;
    redis.kill();
    postgres.kill();
    both_are(0.0).await;
    assert!(memory.0.lock()["redis_connected_clients"].is_nan(), "a server that is down has no clients to tell of");
    redis.restart().await;
    postgres.restart().await;
    both_are(1.0).await;
    assert!(memory.0.lock()["redis_connected_clients"] >= 1.0);
    stop.cancel();
    running.join_next().await.unwrap().unwrap();
    assert!(stats.iter().all(|s| s.cycles() > s.failures() && s.failures() > 0), "{stats:?}");
}

/// A connection of a client.
async fn client(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.url()).await.expect("the server accepts clients")
}

#[tokio::test]
async fn postgres_connections_transactions_and_sizes() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let mut open = [client(&postgres).await, client(&postgres).await, client(&postgres).await];
    open[0].execute("BEGIN").await.unwrap();
    open[0].execute("SELECT count(*) FROM t").await.unwrap();
    let mut collector = postgres_collector(postgres.url());
    let found = collected(&mut collector).await;
    assert_eq!(found["pg_up"], 1.0);
    assert_eq!(found["pg_client_connections"], 3.0, "all but our own");
    assert_eq!(found["pg_settings_max_connections"], 20.0);
    assert_eq!(found["pg_client_connections_limit"], 17.0);
    assert_eq!(found[r#"pg_stat_activity_count{datname="postgres",state="idle in transaction"}"#], 1.0);
    assert_eq!(found[r#"pg_stat_activity_count{datname="postgres",state="idle"}"#], 2.0);
    assert!(found["pg_long_running_transactions_oldest_timestamp_seconds"] > 0.0);
    let size: f64 = postgres.psql("SELECT pg_database_size('postgres')").parse().unwrap();
    let reported = found[r#"pg_database_size_bytes{datname="postgres"}"#];
    assert!((reported - size).abs() < 1e6, "{reported} and {size}");
    assert_eq!(found["pg_replication_is_replica"], 0.0);
    assert_eq!(found["pg_replication_lag_seconds"], 0.0);
    let failed: Vec<_> =
        found.iter().filter(|(s, v)| s.starts_with("pg_scrape_collector_success") && **v != 1.0).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let series = r#"pg_stat_database_xact_commit{datid="5",datname="postgres"}"#;
    let before = found[series];
    until("commits are counted", Duration::from_secs(20), || {
        postgres.psql("SELECT 1");
        let url = postgres.url();
        async move {
            // The server's own processes report their counts some time after the fact.
            let found = collected(&mut postgres_collector(url)).await;
            let late = ["pg_stat_bgwriter_buffers_alloc", "pg_wal_bytes_total"].map(|name| found[name]);
            let after = found[series];
            if after > before && late.iter().all(|v| *v > 0.0) { Ok(()) } else { Err(format!("{after} {late:?}")) }
        }
    })
    .await;
}

#[tokio::test]
async fn postgres_a_blocked_row_is_seen_as_a_waiter() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)");
    let mut collector = postgres_collector(postgres.url());
    assert_eq!(collected(&mut collector).await[r#"pg_lock_waiters{locktype="transactionid"}"#], 0.0);
    let (mut holder, mut blocked) = (client(&postgres).await, client(&postgres).await);
    holder.execute("BEGIN").await.unwrap();
    holder.execute("UPDATE t SET v = 1").await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move { blocked.execute("UPDATE t SET v = 2").await });
    let url = postgres.url();
    until("the waiter is seen, and how long it waits", Duration::from_secs(20), || {
        let url = url.clone();
        async move {
            let found = collected(&mut postgres_collector(url)).await;
            let seen = (found[r#"pg_lock_waiters{locktype="transactionid"}"#], found["pg_lock_wait_seconds_max"]);
            let is_waiting = found[r#"pg_wait_events{wait_event_type="Lock"}"#] == 1.0;
            if seen.0 == 1.0 && seen.1 > 0.2 && is_waiting { Ok(()) } else { Err(format!("{seen:?}")) }
        }
    })
    .await;
    let found = collected(&mut collector).await;
    assert!(found[r#"pg_locks_count{datname="postgres",mode="rowexclusivelock"}"#] >= 2.0, "{found:#?}");
    holder.execute("COMMIT").await.unwrap();
    waiting.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(collected(&mut collector).await["pg_lock_wait_seconds_max"], 0.0);
}

#[tokio::test]
async fn postgres_statements_by_id_and_never_their_text() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE SCHEMA \"Odd name\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Odd name\"");
    let mut app = client(&postgres).await;
    for _ in 0..7 {
        app.execute("SELECT 'a secret of mine' AS word, pg_sleep(0.01)").await.unwrap();
    }
    let found = collected(&mut postgres_collector(postgres.url())).await;
    let id = postgres.psql("SELECT queryid FROM \"Odd name\".pg_stat_statements WHERE query LIKE 'SELECT $1 AS word%'");
    let labels = format!(r#"{{datname="postgres",queryid="{id}",user="postgres"}}"#);
    assert_eq!(found[&format!("pg_stat_statements_calls_total{labels}")], 7.0);
    assert!(found[&format!("pg_stat_statements_seconds_total{labels}")] >= 0.07);
    assert!(!found.keys().any(|s| s.contains("secret") || s.contains("SELECT")));
}

#[tokio::test]
async fn postgres_a_standby_and_its_lag_on_both_sides() {
    let mut primary = Postgres::start().await;
    let standby = primary.standby().await;
    let labels = r#"{application_name="standby",client_addr="127.0.0.1",state="streaming"}"#;
    let (mut of_primary, mut of_standby) = (postgres_collector(primary.url()), postgres_collector(standby.url()));
    primary.psql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id");
    until("the standby has replayed everything", Duration::from_secs(20), || {
        let (primary, standby) = (primary.url(), standby.url());
        async move {
            let behind = collected(&mut postgres_collector(primary)).await;
            let behind = behind.get(&format!("pg_stat_replication_pg_wal_lsn_diff{labels}")).copied();
            let lag = collected(&mut postgres_collector(standby)).await["pg_replication_lag_seconds"];
            if (behind, lag) == (Some(0.0), 0.0) { Ok(()) } else { Err(format!("{behind:?} bytes, {lag} s")) }
        }
    })
    .await;
    assert_eq!(collected(&mut of_primary).await["pg_stat_replication_standbys"], 1.0);
    let found = collected(&mut of_standby).await;
    assert_eq!((found["pg_replication_is_replica"], found["pg_up"]), (1.0, 1.0));
    standby.psql("SELECT pg_wal_replay_pause()");
    primary.psql("INSERT INTO t SELECT generate_series(1, 20000)");
    let behind = collected(&mut of_primary).await[&format!("pg_stat_replication_pg_wal_lsn_diff{labels}")];
    assert!(behind > 500_000.0, "{behind}");
    standby.psql("SELECT pg_wal_replay_resume()");
    primary.kill();
    until("a standby without its primary lags", Duration::from_secs(20), || {
        let url = standby.url();
        async move {
            let lag = collected(&mut postgres_collector(url)).await["pg_replication_lag_seconds"];
            if lag > 0.5 { Ok(()) } else { Err(format!("{lag}")) }
        }
    })
    .await;
    assert!(
        collected(&mut of_standby).await["pg_replication_lag_seconds"] > 0.0,
        "with the last receipt remembered too"
    );
}

#[tokio::test]
async fn postgres_without_privileges_says_what_it_can() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE ROLE watcher LOGIN; REVOKE CONNECT ON DATABASE template1 FROM public");
    let _other = client(&postgres).await;
    let found = collected(&mut postgres_collector(postgres.url_as("watcher", "postgres"))).await;
    assert_eq!(found["pg_client_connections"], 2.0, "from the databases: the other and our own");
    assert!(!found.keys().any(|s| s.starts_with("pg_stat_activity_count")), "the states are hidden from us");
    assert!(found.contains_key(r#"pg_database_size_bytes{datname="postgres"}"#));
    let (found, error) = cycle(&mut postgres_collector(postgres.url_as("nobody", "postgres")), SystemClock.now()).await;
    assert_eq!((found["pg_up"], error.unwrap().class()), (0.0, "login"));
}

#[tokio::test]
async fn postgres_full_of_connections_is_busy_and_one_failing_view_harms_no_other() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE ROLE app LOGIN");
    let mut collector = postgres_collector(postgres.url());
    collected(&mut collector).await;
    let mut clients = Vec::new();
    while let Ok(client) = PgConnection::connect(&postgres.url_as("app", "postgres")).await {
        clients.push(client);
    }
    let found = collected(&mut collector).await;
    assert_eq!(found["pg_client_connections"], clients.len() as f64);
    assert!(found["pg_client_connections"] + 1.0 >= found["pg_client_connections_limit"], "{found:#?}");
    let (_, error) = cycle(&mut postgres_collector(postgres.url_as("app", "postgres")), SystemClock.now()).await;
    assert_eq!(error.unwrap().class(), "busy");
    clients.clear();
    // A catalogue that someone keeps locked: that view fails within the server's own limit of time.
    postgres.psql("CREATE EXTENSION pg_stat_statements");
    let mut collector = postgres_collector(postgres.url());
    collected(&mut collector).await;
    let mut locker = client(&postgres).await;
    locker.execute("BEGIN").await.unwrap();
    locker.execute("LOCK TABLE pg_stat_archiver IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let found = collected(&mut collector).await;
    assert_eq!(found[r#"pg_scrape_collector_success{collector="pg_stat_archiver"}"#], 0.0);
    assert_eq!(found[r#"pg_scrape_collector_success{collector="pg_stat_activity"}"#], 1.0);
    assert_eq!(found["pg_up"], 1.0);
}

#[tokio::test]
async fn postgres_pushed_rows_give_the_series_of_the_pull() {
    let postgres = Postgres::start().await;
    let now = SystemClock.now();
    let pulled = samples(&postgres_collector(postgres.url()).collect(now).await.unwrap());
    let views =
        ["pg_stat_database", "pg_stat_activity", "pg_locks", "pg_stat_bgwriter", "pg_stat_archiver", "pg_settings"];
    let rows = views.map(|view| format!("'{view}', (SELECT jsonb_agg(to_jsonb(t)) FROM {view} t)"));
    let sql =
        "SELECT jsonb_build_object('version', current_setting('server_version_num')::int, 'views', jsonb_build_object(";
    let body = postgres.psql(&format!("{sql}{}))", rows.join(", ")));
    let snapshot = postgres_rows::decode(body.as_bytes()).unwrap();
    let pushed = samples(&postgres_rows::map(&snapshot, &postgres_rows::target("main"), now).items);
    assert!(pushed.len() > 200, "{}", pushed.len());
    // All settings come with the view itself; the pull asks for those that matter. The version's text is the pull's.
    let only_pushed: Vec<_> = pushed
        .keys()
        .filter(|s| !pulled.contains_key(*s) && !s.starts_with("pg_settings_") && !s.starts_with("pg_static"))
        .collect();
    assert!(only_pushed.is_empty(), "{only_pushed:?}");
    for steady in ["pg_settings_max_connections", r#"pg_stat_activity_count{datname="template1",state="idle"}"#] {
        assert_eq!(pulled[steady], pushed[steady], "{steady}");
    }
}
