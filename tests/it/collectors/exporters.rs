//! Our names beside those of the exporters that dashboards were written for.

use std::collections::BTreeSet;

use super::*;

/// The names of the metrics that an exporter shows, once it has scraped its server.
async fn names(port: u16, up: &str) -> BTreeSet<String> {
    until("the exporter has scraped", Duration::from_secs(20), || async move {
        let text = page(port).await.map_err(|e| e.to_string())?;
        if !text.contains(&format!("\n{up} 1")) {
            return Err(format!("no {up} 1"));
        }
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Ok(samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect())
    })
    .await
}

/// The exporter's page: HTTP/1.0, so that the server closes when it has said everything.
async fn page(port: u16) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

fn ours(found: &Samples) -> BTreeSet<String> {
    found.keys().filter_map(|series| series.split('{').next()).map(str::to_owned).collect()
}

/// What the exporter has and we have not, beside what is left out on purpose.
fn missing(theirs: &BTreeSet<String>, ours: &BTreeSet<String>, prefix: &str, left_out: &[&str]) -> Vec<String> {
    let missing = theirs.difference(ours).filter(|name| name.starts_with(prefix));
    missing.filter(|name| !left_out.iter().any(|start| name.starts_with(start))).cloned().collect()
}

#[tokio::test]
async fn redis_exporters_names_are_ours() {
    let redis = Redis::start(&["--appendonly", "yes"]).await;
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &redis.port().to_string()]).await;
    online(&redis).await;
    for server in [&redis, &replica] {
        server.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
        server.cli(&["GET", "a"]);
    }
    redis.cli(&["SET", "a", "1"]);
    redis.cli(&["LPUSH", "a", "1"]);
    for server in [&redis, &replica] {
        let (port, log) = (free_port(), tempfile::NamedTempFile::new().unwrap());
        let mut command = std::process::Command::new("prometheus-redis-exporter");
        command.args(["-redis.addr", &server.url(), "-web.listen-address", &format!("127.0.0.1:{port}")]);
        let _exporter = Process::start("prometheus-redis-exporter", &mut command, log.path());
        let theirs = names(port, "redis_up").await;
        let found = collected(&mut redis_collector(server.url())).await;
        let left_out = [
            // Of the exporter itself, and of CONFIG GET, which we do not ask: INFO has the limits.
            "redis_exporter_",
            "redis_target_scrape_request_errors_total",
            "redis_last_key_groups_scrape_duration_milliseconds",
            "redis_config_",
            // Histograms over the server's life; the totals per command are there.
            "redis_commands_latencies_usec",
        ];
        let missing = missing(&theirs, &ours(&found), "redis_", &left_out);
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[tokio::test]
async fn postgres_exporters_names_are_ours() {
    let postgres = Postgres::start().await;
    postgres.psql("CREATE TABLE t (id int PRIMARY KEY); SELECT pg_create_physical_replication_slot('s', true)");
    let standby = postgres.standby().await;
    // Both must see the same: a standby that has only just connected has no positions yet.
    until("the standby streams", Duration::from_secs(30), || {
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL \
            AND reply_time IS NOT NULL";
        let (streaming, all) = (postgres.psql(streaming), postgres.psql("SELECT count(*) FROM pg_stat_replication"));
        async move { if streaming == "1" && all == "1" { Ok(()) } else { Err(format!("{streaming} of {all}")) } }
    })
    .await;
    for server in [&postgres, &standby] {
        let (port, log) = (free_port(), tempfile::NamedTempFile::new().unwrap());
        let mut command = std::process::Command::new("prometheus-postgres-exporter");
        command.env("DATA_SOURCE_NAME", format!("{}?sslmode=disable", server.url()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let _exporter = Process::start("prometheus-postgres-exporter", &mut command, log.path());
        let theirs = names(port, "pg_up").await;
        let found = collected(&mut postgres_collector(server.url())).await;
        let left_out = [
            // Of the exporter itself.
            "pg_exporter_",
            "pg_scrape_collector_duration_seconds",
            // What has never happened has no time: theirs is 1970 or not a number.
            "pg_stat_archiver_last_archive_age",
            "pg_stat_database_checksum_last_failure",
            "pg_stat_database_stats_reset",
            // Settings that no dashboard asks for.
            "pg_settings_",
        ];
        let missing = missing(&theirs, &ours(&found), "pg_", &left_out);
        assert!(missing.is_empty(), "{missing:?}");
    }
}
