use std::collections::BTreeMap;

use super::*;

const PRIMARY: &str = include_str!("../../../tests/golden/redis/redis-7.0-primary.txt");
const REPLICA: &str = include_str!("../../../tests/golden/redis/redis-7.0-replica-without-link.txt");
const VALKEY: &str = include_str!("../../../tests/golden/redis/valkey-9.txt");

/// The samples by name and own labels (`commands_total{cmd="set"}`), without the target's.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let parsed = parse(text, &target("cache-1"), Timestamp::from_secs(1_795_227_160)).unwrap();
    let by_name = parsed.items.iter().map(|item| {
        assert_eq!(item.labels.only(&["instance", "job", "namespace"]), target("cache-1"), "{item:?}");
        let Delta::Sample(value) = item.delta else { panic!("{item:?}") };
        (item.labels.without(&["instance", "job", "namespace"]).to_string().replace("\", ", "\","), value)
    });
    let found: BTreeMap<_, _> = by_name.collect();
    assert_eq!(found.len(), parsed.items.len(), "a series occurs twice");
    found
}

/// Each expected sample is there with its value; `None` says that it must not be there.
fn check(text: &str, expected: &[(&str, Option<f64>)]) {
    let found = samples(text);
    for (series, value) in expected {
        assert_eq!(found.get(*series), value.as_ref(), "{series} in\n{found:#?}");
    }
}

#[test]
fn a_primary() {
    check(
        PRIMARY,
        &[
            ("redis_connected_clients", Some(42.0)),
            ("redis_max_clients", Some(10_000.0)),
            ("redis_memory_used_bytes", Some(1e8)),
            ("redis_memory_max_bytes", Some(134_217_728.0)),
            ("redis_memory_fragmentation_ratio", Some(1.3)),
            ("redis_mem_fragmentation_bytes", Some(-120_000.0)),
            ("redis_allocator_rss_bytes", Some(-4096.0)),
            ("redis_keyspace_hits_total", Some(9000.0)),
            ("redis_evicted_keys_total", Some(77.0)),
            ("redis_expired_stale_percentage", Some(0.25)),
            ("redis_rejected_connections_total", Some(3.0)),
            ("redis_latest_fork_seconds", Some(0.0025)),
            ("redis_start_time_seconds", Some(1_795_140_758.0)),
            ("redis_loading_dump_file", Some(0.0)),
            ("redis_rdb_last_bgsave_status", Some(0.0)),
            ("redis_aof_last_write_status", Some(1.0)),
            ("redis_rdb_last_bgsave_duration_sec", Some(-1.0)),
            ("redis_cpu_user_seconds_total", Some(34.25)),
            ("redis_cluster_enabled", Some(0.0)),
            // Not in the text: missing is not zero.
            ("redis_expired_keys_total", None),
            ("redis_aof_current_size_bytes", None),
        ],
    );
}

#[test]
fn commands_errors_and_percentiles() {
    check(
        PRIMARY,
        &[
            (r#"redis_commands_total{cmd="set"}"#, Some(100.0)),
            (r#"redis_commands_duration_seconds_total{cmd="set"}"#, Some(0.005)),
            (r#"redis_commands_rejected_calls_total{cmd="debug"}"#, Some(5.0)),
            (r#"redis_commands_failed_calls_total{cmd="set"}"#, Some(1.0)),
            (r#"redis_commands_total{cmd="config|get"}"#, Some(4.0)),
            (r#"redis_commands_duration_seconds_total{cmd="ft.search"}"#, Some(0.07)),
            (r#"redis_errors_total{err="OOM"}"#, Some(14.0)),
            (r#"redis_latency_percentiles_usec{cmd="set",quantile="99.9"}"#, Some(250.879)),
            (r#"redis_latency_percentiles_usec_sum{cmd="set"}"#, Some(5000.0)),
            (r#"redis_latency_percentiles_usec_count{cmd="set"}"#, Some(100.0)),
        ],
    );
    // The short layout, before 6.2, says nothing of rejected calls.
    check(
        VALKEY,
        &[
            (r#"redis_commands_total{cmd="get"}"#, Some(2.0)),
            (r#"redis_commands_rejected_calls_total{cmd="get"}"#, None),
        ],
    );
}

#[test]
fn databases_by_name_of_field() {
    check(
        PRIMARY,
        &[
            (r#"redis_db_keys{db="db0"}"#, Some(10.0)),
            (r#"redis_db_keys_expiring{db="db0"}"#, Some(4.0)),
            (r#"redis_db_avg_ttl_seconds{db="db0"}"#, Some(25.0)),
            (r#"redis_db_keys_with_expiring_items{db="db0"}"#, Some(3.0)),
            (r#"redis_db_keys_cached{db="db0"}"#, None),
            (r#"redis_db_keys{db="db3"}"#, Some(1.0)),
            (r#"redis_db_avg_ttl_seconds{db="db3"}"#, None),
        ],
    );
    check(
        VALKEY,
        &[
            (r#"redis_db_keys{db="db0"}"#, Some(0.0)),
            (r#"redis_db_keys_with_expiring_items{db="db1"}"#, Some(1.0)),
            (r#"redis_db_avg_ttl_seconds{db="db1"}"#, Some(0.0)),
        ],
    );
    // Dragonfly's fields.
    check(
        "redis_version:7.4\n# Keyspace\ndb0:keys=7,expires=1,hits=5,misses=2,hit_ratio=71,avg_ttl=2000\n",
        &[(r#"redis_db_keys{db="db0"}"#, Some(7.0)), (r#"redis_db_avg_ttl_seconds{db="db0"}"#, Some(2.0))],
    );
    // Without the section nothing is known of databases.
    check("redis_version:7.4\n", &[(r#"redis_db_keys{db="db0"}"#, None)]);
}

#[test]
fn a_replica_that_is_not_online_has_no_lag() {
    let online = r#"slave_ip="10.0.0.2",slave_port="6379",slave_state="online""#;
    let waiting = r#"slave_ip="10.0.0.3",slave_port="6380",slave_state="wait_bgsave""#;
    check(
        PRIMARY,
        &[
            (&format!("redis_connected_slave_lag_seconds{{{online}}}"), Some(1.0)),
            (&format!("redis_connected_slave_lag_seconds{{{waiting}}}"), None),
            (&format!("redis_connected_slave_offset_bytes{{{online}}}"), Some(1_000_000.0)),
            (r#"redis_replication_lag_bytes{slave_ip="10.0.0.2",slave_port="6379"}"#, Some(500.0)),
            (r#"redis_replication_lag_bytes{slave_ip="10.0.0.3",slave_port="6380"}"#, Some(1_000_500.0)),
        ],
    );
    let v6 = r#"slave_ip="fd00::2",slave_port="6379""#;
    check(VALKEY, &[(&format!("redis_replication_lag_bytes{{{v6}}}"), Some(0.0))]);
}

#[test]
fn a_replica_without_its_link_lags_since_it_broke() {
    let master = r#"{master_host="10.0.0.1",master_port="6379"}"#;
    check(
        REPLICA,
        &[
            (&format!("redis_master_link_up{master}"), Some(0.0)),
            (&format!("redis_replication_lag_seconds{master}"), Some(95.0)),
            (&format!("redis_master_last_io_seconds_ago{master}"), Some(-1.0)),
            (&format!("redis_slave_repl_offset{master}"), Some(69_320.0)),
            (r#"redis_db_keys{db="db0"}"#, Some(0.0)),
            ("redis_start_time_seconds", Some(1_795_226_560.0)),
        ],
    );
    // Connected, the same replica is as late as the last byte.
    let healed = REPLICA.replace("status:down", "status:up").replace("ago:-1", "ago:2");
    check(&healed, &[(&format!("redis_replication_lag_seconds{master}"), Some(2.0))]);
}

#[test]
fn valkey_says_its_own_version_and_mode() {
    let found = samples(VALKEY);
    let info = found.keys().find(|series| series.starts_with("redis_instance_info")).unwrap();
    for label in
        [r#"valkey_version="9.0.1""#, r#"redis_mode="cluster""#, r#"role="master""#, r#"redis_version="7.2.4""#]
    {
        assert!(info.contains(label), "{label} in {info}");
    }
    assert_eq!(found[r#"redis_active_time_io_thread_seconds_total{thread="1"}"#], 0.25);
    assert_eq!(found["redis_eventloop_duration_sum_usec_total"], 5000.0);
}

#[test]
fn the_protocols_frames_are_taken_too() {
    let expected = samples(PRIMARY);
    assert_eq!(samples(&format!("${}\r\n{PRIMARY}\r\n", PRIMARY.len())), expected);
    assert_eq!(samples(&format!("={}\r\ntxt:{PRIMARY}\r\n", PRIMARY.len() + 4)), expected);
    assert_eq!(samples(&PRIMARY.replace("\r\n", "\n")), expected);
}

#[test]
fn what_is_not_info_is_refused() {
    let parse = |text: &str| parse(text, &target("x"), Timestamp::from_secs(0));
    for text in ["", "hello", "-NOAUTH Authentication required.", "# Server\r\n", "{\"redis\":1}"] {
        assert_eq!(parse(text), Err(RedisTextError::NotInfo), "{text}");
    }
    assert_eq!(parse(&" ".repeat(TEXT_LIMIT + 1)), Err(RedisTextError::TooLong));
}

#[test]
fn numbers_that_are_none_give_nothing() {
    let text = "redis_version:7.0\nused_memory:NaN\nmaxmemory:inf\nhz:\nmaxclients:ten\nkeyspace_hits:1e999\n";
    let found = samples(text);
    assert_eq!(found.keys().filter(|s| !s.starts_with("redis_instance_info")).count(), 0, "{found:?}");
}

#[test]
fn made_up_errors_and_replicas_are_limited_and_counted() {
    let errors: String = (0..100).map(|i| format!("errorstat_E{i:03}:count=2\n")).collect();
    let replicas: String =
        (0..70).map(|i| format!("slave{i}:ip=10.0.0.{i},port=1,state=online,offset=1,lag=0\n")).collect();
    let text = format!("redis_version:7.0\nrole:master\n{errors}{replicas}");
    let found = samples(&text);
    assert_eq!(found.keys().filter(|s| s.starts_with("redis_errors_total")).count(), 65);
    assert_eq!(found[r#"redis_errors_total{err="__other__"}"#], 72.0);
    let parsed = parse(&text, &target("x"), Timestamp::from_secs(0)).unwrap();
    assert_eq!(parsed.dropped, [(DropReason::SeriesLimit, 6)]);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_it(text in "(redis_version:7\n)?([a-z_0-9]{0,12}:[ -~]{0,30}(\r)?\n){0,30}") {
        let parsed = parse(&text, &target("x"), Timestamp::from_secs(0));
        for item in parsed.map(|p| p.items).unwrap_or_default() {
            proptest::prop_assert!(matches!(item.delta, Delta::Sample(v) if v.is_finite()));
        }
    }
}
