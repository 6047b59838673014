//! A recorder that takes everything and an engine that answers for the story.

use super::*;

pub(super) struct FakeRecorder;

impl Recorder for FakeRecorder {
    fn record(&self, _batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        Box::pin(async { Err(RecordError::Stopped) })
    }
}

pub(super) struct FakeEngine {
    pub(super) data: bool,
}

/// `(part of the expression, values by instance)`; the first that is contained answers.
pub(super) const INSTANT: &[(&str, &[(&str, f64)])] = &[
    ("keyspace_hits", &[("cache-1", 0.934), ("sessions", 0.61)]),
    ("redis_memory_max_bytes", &[("cache-1", 0.871)]),
    ("redis_memory_used_bytes", &[("cache-1", 1.87e9), ("sessions", 4.1e7)]),
    ("redis_up)", &[("cache-1", 1.0), ("sessions", 1.0)]),
    ("redis_connected_clients", &[("cache-1", 214.0), ("sessions", 37.0)]),
    ("redis_commands_processed", &[("cache-1", 18_412.6), ("sessions", 1_204.2)]),
    ("redis_evicted", &[("cache-1", 12.4), ("sessions", 0.0)]),
    ("redis_db_keys", &[("cache-1", 1_204_331.0), ("sessions", 88_120.0)]),
    ("redis_uptime", &[("cache-1", 1_209_600.0), ("sessions", 7_300.0)]),
    ("pg_settings_max_connections", &[("main", 0.42)]),
    ("pg_stat_activity_count", &[("main", 84.0)]),
    ("pg_up", &[("main", 1.0), ("replica", 0.0)]),
    ("blks_hit", &[("main", 0.9984)]),
    ("xact_rollback", &[("main", 0.0031)]),
    ("xact_commit", &[("main", 1_420.3)]),
    ("pg_database_size", &[("main", 4.6e10)]),
    ("deadlocks", &[("main", 0.0)]),
    ("pg_postmaster", &[("main", 1_762_000_000.0)]),
];

impl Engine for FakeEngine {
    fn instant<'a>(
        &'a self,
        expression: &'a str,
        _at: Timestamp,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let found = INSTANT.iter().find(|(part, _)| expression.contains(part)).filter(|_| self.data);
        let sample = |(instance, value): &(&str, f64)| InstantSample {
            labels: Labels::new([("instance", *instance)]),
            point: Point::Float(*value),
        };
        let vector = found.map(|(_, values)| values.iter().map(sample).collect()).unwrap_or_default();
        Box::pin(async { Ok(answer(Value::Vector(vector))) })
    }

    fn range<'a>(
        &'a self,
        _expression: &'a str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let routes = if self.data { &["/products/:id", "/search", "/cart"][..] } else { &[] };
        let matrix = routes.iter().enumerate().map(|(i, route)| curve(i, route, start, end, step)).collect();
        Box::pin(async { Ok(answer(Value::Matrix(matrix))) })
    }
}

pub(super) fn answer(value: Value) -> Answer {
    Answer { value, warnings: Vec::new(), infos: Vec::new() }
}

/// Calm waves; the first route climbs in the last quarter, and the second has a gap.
pub(super) fn curve(index: usize, route: &str, start: Timestamp, end: Timestamp, step: Duration) -> RangeSeries {
    let span = end.since(start).as_secs_f64();
    let mut points = Vec::new();
    let mut at = start;
    while at <= end {
        let x = at.since(start).as_secs_f64() / span;
        let wave = 0.11 + 0.03 * index as f64 + 0.02 * (x * 21.0 + index as f64).sin() + 0.008 * (x * 97.0).sin();
        let climb = if index == 0 { 0.5 * ((x - 0.72) * 12.0).clamp(0.0, 1.0) } else { 0.0 };
        if index != 1 || !(0.4..0.5).contains(&x) {
            points.push((at, Point::Float(wave + climb)));
        }
        at = at + step;
    }
    RangeSeries { labels: Labels::new([("http_route", route)]), points }
}
