//! `stats`: what a query cost.
//!
//! As in Prometheus any word asks for it. Samples for each step are behind a feature flag there and not here.

use std::time::Duration;

use serde::Serialize;

use crate::promql::engine::QueryStats;

/// `{"timings":…,"samples":…}`.
#[derive(Debug, Serialize)]
pub(super) struct StatsJson {
    timings: Timings,
    samples: Samples,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    eval_total_time: f64,
    result_sort_time: f64,
    query_preparation_time: f64,
    inner_eval_time: f64,
    exec_queue_time: f64,
    exec_total_time: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    total_queryable_samples: usize,
    peak_samples: usize,
}

impl StatsJson {
    /// Of a query that waited for its turn first.
    pub(super) fn of(stats: QueryStats, queued: Duration) -> Self {
        let total = stats.preparation + stats.evaluation;
        let timings = Timings {
            eval_total_time: total.as_secs_f64(),
            // Rows come sorted out of the evaluation.
            result_sort_time: 0.0,
            query_preparation_time: stats.preparation.as_secs_f64(),
            inner_eval_time: stats.evaluation.as_secs_f64(),
            exec_queue_time: queued.as_secs_f64(),
            exec_total_time: (queued + total).as_secs_f64(),
        };
        let samples = Samples { total_queryable_samples: stats.samples, peak_samples: stats.peak_samples };
        Self { timings, samples }
    }
}
