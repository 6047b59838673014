//! API, database, cache and operations.

use std::sync::Arc;

use crate::base::Severity::{Critical, Warning};
use crate::slo::CompiledObjective;

use super::panel::{Draw, Panel, unit};
use super::{Dashboard, Variable, thresholds_of};

const REQUESTS: &str = "http_server_request_duration_seconds";
const SERVICE: &str = r#"service_name=~"$service""#;

fn quantile(q: f64, metric: &str, by: &str) -> String {
    format!("histogram_quantile({q}, sum by (le, {by}) (rate({metric}_bucket{{{SERVICE}}}[$__rate_interval])))")
}

fn rate(metric: &str, matchers: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({metric}_count{{{SERVICE}{matchers}}}[$__rate_interval]))")
}

pub(super) fn dashboard(compiled: &[Arc<CompiledObjective>]) -> Dashboard {
    let service = Variable {
        name: "service",
        label: "Service",
        query: "label_values({__name__=~\"http_server_request_duration_seconds_count|db_client_operation_duration_seconds_count|cache_operation_duration_seconds_count\"}, service_name)",
    };
    Dashboard {
        uid: "plimsoll-performance",
        title: "Plimsoll: performance",
        variables: vec![service],
        rows: vec![
            ("API", api(compiled)),
            ("Database", database(compiled)),
            ("Cache", cache()),
            ("Operations", operations(compiled)),
        ],
    }
}

fn api(compiled: &[Arc<CompiledObjective>]) -> Vec<Panel> {
    let errors = r#",http_response_status_code=~"5..""#;
    let error_ratio = |by: &str| {
        format!(
            "(sum by ({by}) (rate({REQUESTS}_count{{{SERVICE}{errors}}}[$__rate_interval])) or 0 * {all}) / {all}",
            all = rate(REQUESTS, "", by)
        )
    };
    vec![
        Panel::new(Draw::Lines, "p95 by route", unit::SECONDS)
            .query(quantile(0.95, REQUESTS, "http_route"), "{{http_route}}")
            .bad_above(thresholds_of(compiled, REQUESTS)),
        Panel::new(Draw::Lines, "p50, p95, p99", unit::SECONDS)
            .query(quantile(0.5, REQUESTS, "service_name"), "p50 {{service_name}}")
            .query(quantile(0.95, REQUESTS, "service_name"), "p95 {{service_name}}")
            .query(quantile(0.99, REQUESTS, "service_name"), "p99 {{service_name}}"),
        Panel::new(Draw::Lines, "Requests by route", unit::PER_SECOND).query(rate(REQUESTS, "", "http_route"), "{{http_route}}"),
        Panel::new(Draw::Lines, "Error ratio by route", unit::RATIO)
            .about("Answers of 5xx as a share of all answers.")
            .query(error_ratio("http_route"), "{{http_route}}")
            .bad_above(vec![(0.01, Warning), (0.05, Critical)]),
        Panel::new(Draw::Lines, "Answers by status", unit::PER_SECOND)
            .query(rate(REQUESTS, "", "http_response_status_code"), "{{http_response_status_code}}"),
        Panel::new(Draw::Table, "Slowest routes (p95 of the range shown)", unit::SECONDS).query(
            format!("sort_desc(topk(10, histogram_quantile(0.95, sum by (le, http_route) (increase({REQUESTS}_bucket{{{SERVICE}}}[$__range])))))"),
            "",
        ),
    ]
}

fn database(compiled: &[Arc<CompiledObjective>]) -> Vec<Panel> {
    let metric = "db_client_operation_duration_seconds";
    vec![
        Panel::new(Draw::Lines, "p95 by operation", unit::SECONDS)
            .query(quantile(0.95, metric, "db_operation_name"), "{{db_operation_name}}")
            .bad_above(thresholds_of(compiled, metric)),
        Panel::new(Draw::Lines, "Statements by operation", unit::PER_SECOND)
            .query(rate(metric, "", "db_operation_name"), "{{db_operation_name}}"),
    ]
}

fn cache() -> Vec<Panel> {
    let metric = "cache_operation_duration_seconds";
    let looked_up = r#",cache_outcome=~"hit|stale|miss""#;
    let hit = format!(
        "{} / {}",
        rate(metric, r#",cache_outcome="hit""#, "cache_layer"),
        rate(metric, looked_up, "cache_layer")
    );
    vec![
        Panel::new(Draw::Lines, "Hit ratio by layer", unit::RATIO)
            .about("Hits of a layer as a share of its own look-ups.")
            .query(hit, "{{cache_layer}}")
            .max(1.0)
            .bad_below(vec![(0.85, Critical), (0.9, Warning)]),
        Panel::new(Draw::Lines, "Look-ups by outcome", unit::PER_SECOND)
            .query(rate(metric, "", "cache_outcome"), "{{cache_outcome}}"),
    ]
}

fn operations(compiled: &[Arc<CompiledObjective>]) -> Vec<Panel> {
    let metric = "operation_duration_seconds";
    vec![
        Panel::new(Draw::Lines, "p95 by operation", unit::SECONDS)
            .query(quantile(0.95, metric, "operation"), "{{operation}}")
            .bad_above(thresholds_of(compiled, metric)),
        Panel::new(Draw::Lines, "Operations by outcome", unit::PER_SECOND)
            .query(rate(metric, "", "operation, outcome"), "{{operation}} {{outcome}}"),
    ]
}
