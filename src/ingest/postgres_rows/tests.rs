use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// The samples by name and own labels, without the target's; `now` is when the snapshot was taken.
fn samples(version: u32, views: Value) -> BTreeMap<String, f64> {
    let body = json!({"version": version, "views": views}).to_string();
    let parsed = map(&decode(body.as_bytes()).unwrap(), &target("main"), Timestamp::from_secs(1000));
    let own = ["instance", "job", "release", "kubernetes_namespace"];
    let by_name = parsed.items.iter().map(|item| {
        assert_eq!(item.labels.only(&own), target("main"), "{item:?}");
        let Delta::Sample(value) = item.delta else { panic!("{item:?}") };
        (item.labels.without(&own).to_string().replace("\", ", "\","), value)
    });
    let found: BTreeMap<_, _> = by_name.collect();
    assert_eq!(found.len(), parsed.items.len(), "a series occurs twice");
    found
}

fn check(found: &BTreeMap<String, f64>, expected: &[(&str, Option<f64>)]) {
    for (series, value) in expected {
        assert_eq!(found.get(*series), value.as_ref(), "{series} in\n{found:#?}");
    }
}

fn databases() -> Value {
    json!([
        {"datid": 0, "datname": null, "numbackends": 0, "xact_commit": 5},
        {"datid": 16384, "datname": "shop", "numbackends": 7, "xact_commit": 1000, "blks_hit": "12345678901",
         "blk_read_time": 12.5, "stats_reset": null, "session_time": 2500.0}
    ])
}

#[test]
fn databases_keep_the_exporters_names() {
    let shop = r#"{datid="16384",datname="shop"}"#;
    let found = samples(
        150_018,
        json!({
            "pg_stat_database": databases(),
            "pg_database": [{"oid": 16384, "datname": "shop", "size": 8_000_000, "age_datfrozenxid": 700}],
            "pg_stat_database_conflicts": [{"datid": 16384, "datname": "shop", "confl_lock": 2}],
        }),
    );
    check(
        &found,
        &[
            (&format!("pg_stat_database_xact_commit{shop}"), Some(1000.0)),
            (&format!("pg_stat_database_blks_hit{shop}"), Some(12_345_678_901.0)),
            (&format!("pg_stat_database_blk_read_time{shop}"), Some(12.5)),
            (&format!("pg_stat_database_session_time{shop}"), Some(2500.0)),
            (&format!("pg_stat_database_stats_reset{shop}"), None),
            (&format!("pg_stat_database_deadlocks{shop}"), None),
            (&format!("pg_stat_database_conflicts_confl_lock{shop}"), Some(2.0)),
            (r#"pg_database_size_bytes{datname="shop"}"#, Some(8e6)),
            (r#"pg_database_wraparound_age_datfrozenxid_seconds{datname="shop"}"#, Some(700.0)),
            (r#"pg_static{short_version="15.18"}"#, Some(1.0)),
        ],
    );
    assert!(!found.keys().any(|s| s.contains(r#"datid="0""#)), "shared objects belong to no database");
}

fn session(state: &str, xact_start: Value) -> Value {
    json!({"datname": "shop", "state": state, "backend_type": "client backend", "xact_start": xact_start,
           "state_change": "1970-01-01T00:16:30+00:00", "wait_event_type": null})
}

#[test]
fn sessions_by_state_with_the_servers_own_clock() {
    let found = samples(
        150_000,
        json!({
            "server": [{"now": "1970-01-01T00:16:50+00:00", "reads_all_stats": true}],
            "pg_stat_database": databases(),
            "pg_stat_activity": [
                session("active", json!("1970-01-01T00:16:40+00:00")),
                session("active", json!("1970-01-01T00:16:20+00:00")),
                session("idle in transaction", json!("1970-01-01T00:16:25+00:00")),
                session("idle", Value::Null),
                {"datname": null, "state": null, "backend_type": "checkpointer"},
            ],
        }),
    );
    check(
        &found,
        &[
            (r#"pg_stat_activity_count{datname="shop",state="active"}"#, Some(2.0)),
            (r#"pg_stat_activity_count{datname="shop",state="disabled"}"#, Some(0.0)),
            (r#"pg_stat_activity_max_tx_duration{datname="shop",state="active"}"#, Some(30.0)),
            (r#"pg_stat_activity_max_tx_duration{datname="shop",state="idle"}"#, Some(0.0)),
            ("pg_client_connections", Some(4.0)),
            ("pg_long_running_transactions", Some(3.0)),
            ("pg_long_running_transactions_oldest_timestamp_seconds", Some(30.0)),
            ("pg_idle_in_transaction_seconds_max", Some(20.0)),
            (r#"pg_wait_events{wait_event_type="CPU"}"#, Some(2.0)),
            (r#"pg_wait_events{wait_event_type="Lock"}"#, Some(0.0)),
        ],
    );
}

#[test]
fn without_the_privilege_connections_come_from_the_databases() {
    let found = samples(
        150_000,
        json!({
            "server": [{"reads_all_stats": false}],
            "pg_stat_database": databases(),
            "pg_stat_activity": [{"datname": "shop", "state": null, "backend_type": null}],
        }),
    );
    check(&found, &[("pg_client_connections", Some(7.0))]);
    assert!(!found.keys().any(|s| s.starts_with("pg_stat_activity_count")), "the states are not visible");
}

#[test]
fn a_wait_for_a_row_is_seen() {
    let found = samples(
        150_000,
        json!({
            "server": [{"now": 1000.0}],
            "pg_stat_database": databases(),
            "pg_locks": [
                {"locktype": "relation", "database": 16384, "mode": "RowExclusiveLock", "granted": true, "count": 3},
                {"locktype": "transactionid", "database": null, "mode": "ShareLock", "granted": false, "waitstart": 987.5},
            ],
        }),
    );
    check(
        &found,
        &[
            (r#"pg_locks_count{datname="shop",mode="rowexclusivelock"}"#, Some(3.0)),
            (r#"pg_locks_count{datname="shop",mode="accessexclusivelock"}"#, Some(0.0)),
            (r#"pg_lock_waiters{locktype="transactionid"}"#, Some(1.0)),
            (r#"pg_lock_waiters{locktype="relation"}"#, Some(0.0)),
            ("pg_lock_wait_seconds_max", Some(12.5)),
        ],
    );
}

/// A standby at second 1000 that received and replayed all it was sent.
fn standby(receiver: Value, last_receipt: Value) -> Option<f64> {
    let found = samples(
        150_000,
        json!({
            "server": [{"now": 1000.0, "in_recovery": true, "receive_lsn": "0/5000000", "replay_lsn": "0/5000000",
                        "last_replay": 900.0, "last_receipt": last_receipt}],
            "pg_stat_wal_receiver": receiver,
        }),
    );
    assert_eq!(found["pg_replication_is_replica"], 1.0);
    assert_eq!(found.get("pg_replication_lag"), found.get("pg_replication_lag_seconds"));
    found.get("pg_replication_lag_seconds").copied()
}

#[test]
fn a_standby_that_lost_its_primary_is_late() {
    let streaming = json!([{"status": "streaming"}]);
    assert_eq!(standby(streaming.clone(), Value::Null), Some(0.0), "idle is not late");
    assert_eq!(standby(json!([]), Value::Null), Some(100.0));
    assert_eq!(standby(json!([]), json!(980.0)), Some(20.0), "it heard of its primary after the last commit");
    let behind = samples(
        150_000,
        json!({
            "server": [{"now": 1000.0, "in_recovery": true, "receive_lsn": "0/6000000", "replay_lsn": "0/5000000",
                        "last_replay": 990.0}],
            "pg_stat_wal_receiver": streaming,
        }),
    );
    assert_eq!(behind["pg_replication_lag_seconds"], 10.0);
    let primary = samples(150_000, json!({"server": [{"in_recovery": false}]}));
    assert_eq!((primary["pg_replication_lag_seconds"], primary["pg_replication_is_replica"]), (0.0, 0.0));
}

#[test]
fn standbys_as_the_primary_sees_them() {
    let labels = r#"{application_name="east",client_addr="10.0.0.2",state="streaming"}"#;
    let found = samples(
        150_000,
        json!({
            "server": [{"in_recovery": false, "wal_lsn": "1/00000100"}],
            "pg_stat_replication": [{"application_name": "east", "client_addr": "10.0.0.2", "state": "streaming",
                "write_lsn": "1/00000100", "flush_lsn": "1/000000F0", "replay_lsn": "1/00000000",
                "write_lag": null, "flush_lag": null, "replay_lag": "00:00:01.5"}],
            "pg_replication_slots": [{"slot_name": "east", "slot_type": "physical", "active": true,
                "restart_lsn": "0/FFFFFF00", "wal_status": "reserved", "safe_wal_size": null}],
        }),
    );
    check(
        &found,
        &[
            (&format!("pg_stat_replication_pg_wal_lsn_diff{labels}"), Some(256.0)),
            (&format!("pg_stat_replication_write_lag_seconds{labels}"), Some(0.0)),
            (&format!("pg_stat_replication_flush_lag_seconds{labels}"), None),
            (&format!("pg_stat_replication_replay_lag_seconds{labels}"), Some(1.5)),
            ("pg_stat_replication_standbys", Some(1.0)),
            (r#"pg_replication_slots_pg_wal_lsn_diff{slot_name="east"}"#, Some(512.0)),
            (
                r#"pg_replication_slots_wal_status{slot_name="east",slot_type="physical",wal_status="reserved"}"#,
                Some(1.0),
            ),
        ],
    );
}

#[test]
fn settings_in_base_units() {
    let setting = |name: &str, value: &str, unit: Value, vartype: &str| json!({"name": name, "setting": value, "unit": unit, "vartype": vartype});
    let found = samples(
        160_000,
        json!({"pg_settings": [
            setting("max_connections", "100", Value::Null, "integer"),
            setting("superuser_reserved_connections", "3", Value::Null, "integer"),
            setting("reserved_connections", "2", Value::Null, "integer"),
            setting("shared_buffers", "16384", json!("8kB"), "integer"),
            setting("wal_buffers", "-1", json!("8kB"), "integer"),
            setting("checkpoint_timeout", "5", json!("min"), "integer"),
            setting("statement_timeout", "1500", json!("ms"), "integer"),
            setting("random_page_cost", "1.1", Value::Null, "real"),
            setting("fsync", "on", Value::Null, "bool"),
            setting("pg_stat_statements.max", "5000", Value::Null, "integer"),
            setting("wal_level", "replica", Value::Null, "enum"),
        ]}),
    );
    check(
        &found,
        &[
            ("pg_settings_max_connections", Some(100.0)),
            ("pg_client_connections_limit", Some(95.0)),
            ("pg_settings_shared_buffers_bytes", Some(134_217_728.0)),
            ("pg_settings_wal_buffers_bytes", Some(-1.0)),
            ("pg_settings_checkpoint_timeout_seconds", Some(300.0)),
            ("pg_settings_statement_timeout_seconds", Some(1.5)),
            ("pg_settings_random_page_cost", Some(1.1)),
            ("pg_settings_fsync", Some(1.0)),
            ("pg_settings_pg_stat_statements_max", Some(5000.0)),
        ],
    );
    assert!(!found.keys().any(|s| s.contains("wal_level")));
}

#[test]
fn the_old_names_live_on_where_columns_moved() {
    let old = samples(
        160_000,
        json!({"pg_stat_bgwriter": [{"checkpoints_timed": 5, "buffers_backend": 9, "buffers_alloc": 3}]}),
    );
    let new = samples(
        170_000,
        json!({
            "pg_stat_bgwriter": [{"buffers_alloc": 3}],
            "pg_stat_checkpointer": [{"num_timed": 5, "write_time": 70}],
            "pg_stat_io": [
                {"backend_type": "client backend", "object": "relation", "writes": 4},
                {"backend_type": "autovacuum worker", "object": "relation", "writes": 5},
                {"backend_type": "checkpointer", "object": "relation", "writes": 100},
                {"backend_type": "client backend", "object": "wal", "writes": 100},
                {"backend_type": "client backend", "object": "relation", "writes": null},
            ],
        }),
    );
    for name in ["checkpoints_timed", "buffers_backend", "buffers_alloc"] {
        for series in [format!("pg_stat_bgwriter_{name}"), format!("pg_stat_bgwriter_{name}_total")] {
            assert!(old.contains_key(&series) && old.get(&series) == new.get(&series), "{series}: {old:?} {new:?}");
        }
    }
    check(
        &new,
        &[
            ("pg_stat_checkpointer_num_timed_total", Some(5.0)),
            ("pg_stat_bgwriter_checkpoint_write_time_total", Some(70.0)),
            ("pg_stat_bgwriter_buffers_backend_fsync_total", None),
        ],
    );
}

#[test]
fn statements_of_any_extension_version_and_never_their_text() {
    let statement = |id: i64, extra: Value| {
        let mut row = json!({"queryid": id, "datname": "shop", "usename": "app", "calls": 10, "rows": 20,
                             "query": "SELECT 'secret'"});
        row.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        row
    };
    let found = samples(
        180_004,
        json!({"pg_stat_statements": [
            statement(-7, json!({"total_exec_time": 1500.0, "shared_blk_read_time": 250.0, "toplevel": true})),
            statement(-7, json!({"total_exec_time": 500.0, "shared_blk_read_time": 0.0, "toplevel": false})),
            statement(8, json!({"total_time": 3000.0, "blk_read_time": 40.0})),
            {"queryid": null, "calls": 99, "query": "<insufficient privilege>"},
        ]}),
    );
    let labels = |id: &str| format!(r#"{{datname="shop",queryid="{id}",user="app"}}"#);
    check(
        &found,
        &[
            (&format!("pg_stat_statements_seconds_total{}", labels("-7")), Some(2.0)),
            (&format!("pg_stat_statements_calls_total{}", labels("-7")), Some(20.0)),
            (&format!("pg_stat_statements_block_read_seconds_total{}", labels("-7")), Some(0.25)),
            (&format!("pg_stat_statements_seconds_total{}", labels("8")), Some(3.0)),
            (&format!("pg_stat_statements_block_read_seconds_total{}", labels("8")), Some(0.04)),
        ],
    );
    assert!(!format!("{found:?}").contains("SELECT"), "{found:?}");
}

#[test]
fn statements_are_limited_to_those_that_take_the_most_time() {
    let rows: Vec<Value> = (0..80)
        .map(|i| json!({"queryid": i, "datname": "d", "usename": "u", "calls": 1, "total_exec_time": i}))
        .collect();
    let body = json!({"version": 150_000, "views": {"pg_stat_statements": rows}}).to_string();
    let parsed = map(&decode(body.as_bytes()).unwrap(), &target("x"), Timestamp::from_secs(0));
    let calls = parsed.items.iter().filter(|i| i.labels.metric_name() == "pg_stat_statements_calls_total");
    let mut ids: Vec<u32> = calls.map(|i| i.labels.value("queryid").parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (30..80).collect::<Vec<_>>());
    assert_eq!(parsed.dropped, [(DropReason::SeriesLimit, 30)]);
}

#[test]
fn bodies_that_make_no_sense_are_refused() {
    let refused = |body: &str| decode(body.as_bytes()).unwrap_err();
    assert!(matches!(refused("{"), PostgresRowsError::Malformed(_)));
    assert!(matches!(refused(r#"{"version":"16","views":{}}"#), PostgresRowsError::Malformed(_)));
    assert!(matches!(refused(r#"{"version":160003,"views":{"pg_locks":[1]}}"#), PostgresRowsError::Malformed(_)));
    assert!(matches!(refused(r#"{"version":160003,"view":{}}"#), PostgresRowsError::Malformed(_)));
    assert!(matches!(refused(r#"{"version":16,"views":{"pg_locks":[]}}"#), PostgresRowsError::Version(16)));
    assert!(matches!(refused(r#"{"version":160003,"views":{"my_view":[]}}"#), PostgresRowsError::NothingKnown));
    assert!(matches!(refused(&" ".repeat(BODY_LIMIT + 1)), PostgresRowsError::TooLong));
}

#[test]
fn views_that_are_not_known_are_counted() {
    let body = json!({"version": 160_003, "views": {"pg_locks": [], "my_view": [{}, {}]}}).to_string();
    let parsed = map(&decode(body.as_bytes()).unwrap(), &target("x"), Timestamp::from_secs(0));
    assert_eq!(parsed.dropped, [(DropReason::UnknownMetric, 2)]);
}
