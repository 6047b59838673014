//! What is asked, one statement a view. Each gives `jsonb` objects, so that columns which a version lacks
//! are simply missing. `to_jsonb(t) -> 'column'` stands for a column that may not be there.

use std::time::Duration;

/// How often a view is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Each cycle.
    Fast,
    /// Every minute.
    Slow,
    /// Every five minutes.
    Rare,
}

impl Tier {
    /// Whether rows of this age still serve. The slack keeps the beat where a cycle is a little early.
    pub(super) fn is_fresh(self, age: Duration) -> bool {
        let keep = match self {
            Self::Fast => return false,
            Self::Slow => Duration::from_secs(60),
            Self::Rare => Duration::from_secs(300),
        };
        age + Duration::from_millis(500) < keep
    }
}

/// One view.
pub(super) struct Query {
    /// As [`crate::ingest::postgres_rows`] knows it.
    pub(super) view: &'static str,
    pub(super) tier: Tier,
    /// The first `server_version_num` that has it.
    pub(super) since: u32,
    /// The statement; `pg_stat_statements` has its own, made when connecting.
    pub(super) sql: &'static str,
}

const fn each_time(view: &'static str, since: u32, sql: &'static str) -> Query {
    Query { view, tier: Tier::Fast, since, sql }
}

pub(super) const ALL: [Query; 17] = [
    each_time("server", 0, SERVER),
    each_time(
        "pg_stat_database",
        0,
        "SELECT to_jsonb(t) FROM pg_stat_database t WHERE datname IS DISTINCT FROM 'rdsadmin'",
    ),
    each_time("pg_stat_database_conflicts", 0, "SELECT to_jsonb(t) FROM pg_stat_database_conflicts t"),
    each_time("pg_stat_activity", 0, ACTIVITY),
    each_time("pg_locks", 0, LOCKS),
    each_time("pg_stat_replication", 0, REPLICATION),
    each_time("pg_stat_wal_receiver", 0, "SELECT to_jsonb(t) - 'conninfo' FROM pg_stat_wal_receiver t"),
    each_time("pg_replication_slots", 0, "SELECT to_jsonb(t) FROM pg_replication_slots t LIMIT 100"),
    each_time("pg_stat_bgwriter", 0, "SELECT to_jsonb(t) FROM pg_stat_bgwriter t"),
    each_time("pg_stat_checkpointer", 170_000, "SELECT to_jsonb(t) FROM pg_stat_checkpointer t"),
    each_time("pg_stat_archiver", 0, "SELECT to_jsonb(t) FROM pg_stat_archiver t"),
    each_time("pg_stat_wal", 140_000, "SELECT to_jsonb(t) FROM pg_stat_wal t"),
    each_time("pg_stat_io", 160_000, "SELECT to_jsonb(t) FROM pg_stat_io t"),
    Query { view: "pg_stat_statements", tier: Tier::Slow, since: 0, sql: "" },
    Query { view: "pg_stat_user_tables", tier: Tier::Slow, since: 0, sql: TABLES },
    Query { view: "pg_database", tier: Tier::Rare, since: 0, sql: SIZES },
    Query { view: "pg_settings", tier: Tier::Rare, since: 0, sql: SETTINGS },
];

const SERVER: &str = "SELECT jsonb_build_object(
    'now', clock_timestamp(), 'version', version(), 'start_time', pg_postmaster_start_time(),
    'in_recovery', pg_is_in_recovery(),
    'wal_lsn', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END,
    'receive_lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() END,
    'replay_lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END,
    'last_replay', CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END,
    'reads_all_stats', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'))";

/// The statement's text stays on the server.
const ACTIVITY: &str = "SELECT to_jsonb(t) - 'query' FROM pg_stat_activity t WHERE pid <> pg_backend_pid() LIMIT 10000";

/// Grouped: a busy server holds ten thousands of locks. Before version 14 the wait counts from the start of
/// the statement.
const LOCKS: &str = "SELECT to_jsonb(t) FROM (
    SELECT l.locktype, l.database::bigint AS database, l.mode, l.granted, count(*) AS count,
        min(CASE WHEN NOT l.granted
            THEN coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start) END) AS waitstart
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.pid IS DISTINCT FROM pg_backend_pid()
    GROUP BY 1, 2, 3, 4) t";

const REPLICATION: &str = "SELECT to_jsonb(r) || jsonb_build_object('slot_name', s.slot_name)
    FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid LIMIT 100";

/// Without sizes: those wait behind whoever alters a table.
const TABLES: &str = "SELECT to_jsonb(t) || jsonb_build_object('datname', current_database())
    FROM pg_stat_user_tables t ORDER BY n_tup_ins + n_tup_upd + n_tup_del + coalesce(seq_tup_read, 0) DESC LIMIT 100";

const SIZES: &str = "SELECT jsonb_build_object(
        'oid', oid::bigint, 'datname', datname, 'datconnlimit', datconnlimit,
        'age_datfrozenxid', age(datfrozenxid), 'age_datminmxid', mxid_age(datminmxid),
        'size', CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
            THEN pg_database_size(oid) END)
    FROM pg_database WHERE datallowconn AND datname <> 'rdsadmin' LIMIT 200";

/// What dashboards and rules ask for; all three hundred would be mostly the same numbers for ever.
const SETTINGS: &str = "SELECT to_jsonb(t) FROM (
    SELECT name, setting, unit, vartype FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real') AND (
        name LIKE 'autovacuum%' OR name LIKE 'checkpoint\\_%' OR name LIKE 'max\\_%' OR name LIKE '%\\_timeout'
        OR name LIKE '%\\_mem' OR name LIKE '%\\_reserved_connections' OR name IN (
            'reserved_connections', 'shared_buffers', 'effective_cache_size', 'effective_io_concurrency',
            'random_page_cost', 'seq_page_cost', 'min_wal_size', 'wal_buffers', 'wal_keep_size', 'fsync',
            'full_page_writes', 'synchronous_commit', 'track_io_timing', 'log_lock_waits', 'hot_standby',
            'log_min_duration_statement', 'bgwriter_delay', 'bgwriter_lru_maxpages', 'default_statistics_target'))) t";

/// The statements that took the most time. `{schema}` and `{time}` are the extension's own: its version
/// decides the column. `false` leaves the texts unread, which makes it five times cheaper.
pub(super) const STATEMENTS: &str = "SELECT to_jsonb(t) || jsonb_build_object(
        'datname', d.datname, 'usename', pg_get_userbyid(t.userid))
    FROM {schema}.pg_stat_statements(false) t LEFT JOIN pg_database d ON d.oid = t.dbid
    WHERE t.queryid IS NOT NULL ORDER BY t.{time} DESC LIMIT 100";

/// The extension's schema, quoted, and its column of time spent.
pub(super) const EXTENSION: &str = "SELECT quote_ident(n.nspname), a.attname::text
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('total_exec_time', 'total_time')
    WHERE e.extname = 'pg_stat_statements'";
