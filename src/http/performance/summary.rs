//! The parts of the summary, in milliseconds as its readers expect.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::model::{ObjectiveStatus, StatusKind};
use crate::base::Labels;
use crate::series::MetricCatalog;
use crate::sketch::Histogram;

/// How many slow routes and operations are listed.
const SLOWEST: usize = 10;
/// From here a query counts as slow, in seconds; an exact bound.
const SLOW_QUERY: f64 = 0.1;

/// An empty histogram with the bounds of a metric.
pub(super) fn empty(metric: &str) -> Histogram {
    Histogram::new(MetricCatalog::default().bounds(metric))
}

/// A distribution; null without events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Distribution {
    average: Option<f64>,
    p50: Option<f64>,
    p75: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl Distribution {
    /// Each figure times `scale`, rounded to four decimals.
    fn of(histogram: &Histogram, scale: f64) -> Self {
        let round = |v: f64| (v * scale * 1e4).round() / 1e4;
        let quantile = |q| histogram.quantile(q).map(round);
        Self {
            average: histogram.mean().map(round),
            p50: quantile(0.5),
            p75: quantile(0.75),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// One web vital.
#[derive(Debug, Serialize)]
pub(super) struct VitalSummary {
    pub(super) count: u64,
    #[serde(flatten)]
    distribution: Distribution,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    rating: Option<&'static str>,
    good_share: Option<f64>,
}

impl VitalSummary {
    pub(super) fn of(all: &Histogram, good: f64, fair: f64, in_ms: bool) -> Self {
        let good_share = share_within(all, good);
        let rating = good_share.map(|share| match share_within(all, fair) {
            _ if share >= 0.75 => "good",
            Some(fair) if fair >= 0.75 => "needs-improvement",
            _ => "poor",
        });
        let scale = if in_ms { 1000.0 } else { 1.0 };
        let distribution = Distribution::of(all, scale);
        Self { count: all.count(), distribution, unit: in_ms.then_some("ms"), rating, good_share }
    }
}

/// The share of values within a bound: exact where it is one of the histogram's, else by buckets.
fn share_within(all: &Histogram, bound: f64) -> Option<f64> {
    if all.count() == 0 {
        return None;
    }
    let within = all.count_le(bound).unwrap_or_else(|| {
        let (zero, buckets) = all.exponential();
        zero + buckets.filter(|(i, _)| crate::sketch::bucket_middle(*i) <= bound).map(|(_, n)| n).sum::<u64>()
    });
    Some(within as f64 / all.count() as f64)
}

/// Series merged by a few of their labels.
fn grouped(series: &[(Labels, Histogram)], by: &[&str]) -> BTreeMap<Labels, Vec<usize>> {
    let mut groups: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
    for (i, (labels, _)) in series.iter().enumerate() {
        groups.entry(labels.only(by)).or_default().push(i);
    }
    groups
}

fn merged<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Histogram {
    let mut all = empty("");
    for histogram in histograms {
        all.merge(histogram);
    }
    all
}

/// The share of events for whose series `bad` holds.
fn share(series: &[(Labels, Histogram)], bad: impl Fn(&Labels) -> bool) -> Option<f64> {
    let total: u64 = series.iter().map(|(_, h)| h.count()).sum();
    let part: u64 = series.iter().filter(|(l, _)| bad(l)).map(|(_, h)| h.count()).sum();
    (total > 0).then(|| part as f64 / total as f64)
}

fn is_server_error(labels: &Labels) -> bool {
    labels.value("http_response_status_code").starts_with('5')
}

fn is_failed(labels: &Labels) -> bool {
    labels.value("error") == "true"
}

/// One slow route or operation.
#[derive(Debug, Serialize)]
struct Slow {
    #[serde(flatten)]
    labels: BTreeMap<String, String>,
    count: u64,
    #[serde(flatten)]
    distribution: Distribution,
    error_rate: Option<f64>,
}

/// The groups with the highest p95, highest first.
fn slowest(series: &[(Labels, Histogram)], by: &[(&str, &str)], is_bad: fn(&Labels) -> bool) -> Vec<Slow> {
    let names: Vec<&str> = by.iter().map(|(label, _)| *label).collect();
    let mut slow: Vec<Slow> = grouped(series, &names)
        .into_iter()
        .map(|(labels, members)| {
            let members: Vec<(Labels, Histogram)> = members.into_iter().map(|i| series[i].clone()).collect();
            let all = merged(members.iter().map(|(_, h)| h));
            let named = by.iter().map(|(label, name)| ((*name).to_owned(), labels.value(label).to_owned()));
            Slow {
                labels: named.collect(),
                count: all.count(),
                distribution: Distribution::of(&all, 1000.0),
                error_rate: share(&members, is_bad),
            }
        })
        .collect();
    slow.sort_by(|a, b| b.distribution.p95.unwrap_or(0.0).total_cmp(&a.distribution.p95.unwrap_or(0.0)));
    slow.truncate(SLOWEST);
    slow
}

/// Requests to servers.
#[derive(Debug, Serialize)]
pub(super) struct ApiSummary {
    count: u64,
    #[serde(flatten)]
    distribution: Distribution,
    unit: &'static str,
    error_rate: Option<f64>,
    slow: Vec<Slow>,
}

impl ApiSummary {
    pub(super) fn of(requests: &[(Labels, Histogram)]) -> Self {
        let all = merged(requests.iter().map(|(_, h)| h));
        let by = [("service_name", "service"), ("http_route", "route"), ("http_request_method", "method")];
        Self {
            count: all.count(),
            distribution: Distribution::of(&all, 1000.0),
            unit: "ms",
            error_rate: share(requests, is_server_error),
            slow: slowest(requests, &by, is_server_error),
        }
    }
}

/// Queries.
#[derive(Debug, Serialize)]
pub(super) struct DatabaseSummary {
    count: u64,
    #[serde(flatten)]
    distribution: Distribution,
    unit: &'static str,
    error_rate: Option<f64>,
    slow_queries: u64,
    slow_above: f64,
    slow: Vec<Slow>,
}

impl DatabaseSummary {
    pub(super) fn of(queries: &[(Labels, Histogram)]) -> Self {
        let all = merged(queries.iter().map(|(_, h)| h));
        let by = [("service_name", "service"), ("db_system_name", "system"), ("db_operation_name", "operation")];
        Self {
            count: all.count(),
            distribution: Distribution::of(&all, 1000.0),
            unit: "ms",
            error_rate: share(queries, is_failed),
            slow_queries: all.count() - all.count_le(SLOW_QUERY).unwrap_or(0),
            slow_above: SLOW_QUERY * 1000.0,
            slow: slowest(queries, &by, is_failed),
        }
    }
}

/// Look-ups in caches.
#[derive(Debug, Serialize)]
pub(super) struct CacheSummary {
    count: u64,
    #[serde(flatten)]
    distribution: Distribution,
    unit: &'static str,
    hit_ratio: Option<f64>,
    layers: BTreeMap<String, Layer>,
}

/// One layer.
#[derive(Debug, Serialize)]
struct Layer {
    lookups: u64,
    hits: u64,
    stale: u64,
    misses: u64,
    errors: u64,
    /// Hits of its own look-ups.
    hit_ratio: Option<f64>,
    /// Hits of all look-ups: these add up to the combined ratio.
    share: Option<f64>,
    #[serde(flatten)]
    distribution: Distribution,
}

impl CacheSummary {
    /// Layers stand behind one another: what misses the first is looked up in the next, so all look-ups
    /// of a service are those of its busiest layer, and a look-up that any layer answers is a hit.
    pub(super) fn of(operations: &[(Labels, Histogram)]) -> Self {
        let lookups: Vec<(Labels, Histogram)> = operations.iter().filter(|(l, _)| is_lookup(l)).cloned().collect();
        let all = merged(lookups.iter().map(|(_, h)| h));
        let mut of_services: BTreeMap<Labels, u64> = BTreeMap::new();
        for (labels, members) in grouped(&lookups, &["service_name", "cache_layer"]) {
            let count: u64 = members.iter().map(|i| lookups[*i].1.count()).sum();
            let most = of_services.entry(labels.only(&["service_name"])).or_default();
            *most = count.max(*most);
        }
        let total: u64 = of_services.values().sum();
        let layers: BTreeMap<String, Layer> = grouped(&lookups, &["cache_layer"])
            .into_iter()
            .map(|(labels, members)| (layer_name(&labels), Layer::of(&lookups, &members, total)))
            .collect();
        let hits: u64 = layers.values().map(|l| l.hits + l.stale).sum();
        Self {
            count: total,
            distribution: Distribution::of(&all, 1000.0),
            unit: "ms",
            hit_ratio: (total > 0).then(|| (hits as f64 / total as f64).min(1.0)),
            layers,
        }
    }
}

fn layer_name(labels: &Labels) -> String {
    let name = labels.value("cache_layer");
    if name.is_empty() { "default".to_owned() } else { name.to_owned() }
}

/// Whether something was looked for: every hit, stale hit and miss, and errors that are not of writing.
fn is_lookup(labels: &Labels) -> bool {
    const WRITES: [&str; 8] = ["set", "mset", "put", "delete", "del", "expire", "flush", "invalidate"];
    match labels.value("cache_outcome") {
        "hit" | "stale" | "miss" => true,
        "error" => !WRITES.contains(&labels.value("cache_operation")),
        _ => false,
    }
}

impl Layer {
    fn of(lookups: &[(Labels, Histogram)], members: &[usize], total: u64) -> Self {
        let members = || members.iter().map(|i| &lookups[*i]);
        let count = |outcome: &str| -> u64 {
            members().filter(|(l, _)| l.value("cache_outcome") == outcome).map(|(_, h)| h.count()).sum()
        };
        let own: u64 = members().map(|(_, h)| h.count()).sum();
        let (hits, stale, misses, errors) = (count("hit"), count("stale"), count("miss"), count("error"));
        let ratio = |of: u64| (of > 0).then(|| (hits + stale) as f64 / of as f64);
        Self {
            lookups: own,
            hits,
            stale,
            misses,
            errors,
            hit_ratio: ratio(own),
            share: ratio(total),
            distribution: Distribution::of(&merged(members().map(|(_, h)| h)), 1000.0),
        }
    }
}

/// The state of one objective.
#[derive(Debug, Serialize)]
pub(super) struct BudgetSummary {
    name: String,
    title: String,
    status: StatusKind,
    violated: bool,
    value: Option<f64>,
    target: Option<f64>,
    unit: String,
    remaining: Option<f64>,
}

impl BudgetSummary {
    pub(super) fn of(status: &ObjectiveStatus) -> Self {
        let (scale, unit) = if status.unit == "seconds" { (1000.0, "ms") } else { (1.0, status.unit.as_str()) };
        Self {
            name: status.name.clone(),
            title: status.title.clone(),
            status: status.status,
            violated: matches!(status.status, StatusKind::Warning | StatusKind::Critical),
            value: status.value.map(|v| v * scale),
            target: status.target.map(|v| v * scale),
            unit: unit.to_owned(),
            remaining: status.budget.as_ref().and_then(|b| b.remaining),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::METRIC_NAME;

    fn series(metric: &str, labels: &[(&str, &str)], values: &[f64]) -> (Labels, Histogram) {
        let mut histogram = empty(metric);
        values.iter().for_each(|v| histogram.observe(*v));
        let mut builder = Labels::new(labels.iter().map(|(n, v)| (*n, *v))).to_builder();
        builder.set(METRIC_NAME, metric);
        (builder.build(), histogram)
    }

    #[test]
    fn ratings_follow_the_share_of_good_views() {
        let rating = |values: &[f64]| {
            let (_, all) = series("web_vitals_lcp_seconds", &[], values);
            VitalSummary::of(&all, 2.5, 4.0, true).rating
        };
        assert_eq!(rating(&[]), None);
        assert_eq!(rating(&[2.5, 1.0, 1.0, 9.0]), Some("good"));
        assert_eq!(rating(&[2.51, 4.0, 1.0, 9.0]), Some("needs-improvement"));
        assert_eq!(rating(&[2.51, 4.01, 1.0, 9.0]), Some("poor"));
        let (_, fid) = series("web_vitals_fid_seconds", &[], &[0.25, 0.05, 0.25, 0.05]);
        assert_eq!(VitalSummary::of(&fid, 0.1, 0.3, true).rating, Some("needs-improvement"));
    }

    #[test]
    fn hit_ratios_of_layers_add_up_to_the_combined_one() {
        let metric = "cache_operation_duration_seconds";
        let layer = |layer, outcome, n: usize| {
            series(
                metric,
                &[("cache_layer", layer), ("cache_outcome", outcome), ("service_name", "a")],
                &vec![0.001; n],
            )
        };
        let cache = CacheSummary::of(&[
            layer("memory", "hit", 54),
            layer("memory", "miss", 46),
            layer("redis", "hit", 20),
            layer("redis", "stale", 8),
            layer("redis", "miss", 18),
            layer("redis", "", 99),
        ]);
        assert_eq!((cache.count, cache.hit_ratio), (100, Some(0.82)));
        let redis = &cache.layers["redis"];
        assert_eq!((redis.lookups, redis.hits, redis.share), (46, 20, Some(0.28)));
        assert!((redis.hit_ratio.unwrap() - 28.0 / 46.0).abs() < 1e-12);
    }

    #[test]
    fn slow_routes_come_first() {
        let metric = "http_server_request_duration_seconds";
        let route = |route, status, value| {
            series(metric, &[("http_route", route), ("http_response_status_code", status)], &[value; 4])
        };
        let api = ApiSummary::of(&[route("/a", "200", 0.1), route("/b", "200", 0.5), route("/b", "503", 0.6)]);
        assert_eq!((api.count, api.error_rate), (12, Some(1.0 / 3.0)));
        let routes: Vec<&str> = api.slow.iter().map(|s| s.labels["route"].as_str()).collect();
        assert_eq!(routes, ["/b", "/a"]);
        assert_eq!(api.slow[0].error_rate, Some(0.5));
        let p95 = api.slow[1].distribution.p95.unwrap();
        assert!((p95 / 100.0 - 1.0).abs() < 0.011, "{p95}");
    }
}
