//! `GET /api/performance/metrics?window=1h`: the summary that the older applications' pages show.
//!
//! Web vitals count settled and provisional views together, without soft navigations, which are a
//! population of their own. Ratings come from the exact counts at the thresholds ("at least 75 % of the
//! views within good"), which is what the p75 says without its 1.1 %. `attribution` names the elements of
//! views beyond good in the last hours, worst first.

mod attribution;
mod summary;
mod window;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::base::{MatchOp, Matcher, Timestamp};
use crate::ingest::vitals::VITALS;
use crate::promql::SourceError;

use super::problem::Problem;
use super::state::Api;
use attribution::Blamed;
use summary::{ApiSummary, BudgetSummary, CacheSummary, DatabaseSummary, VitalSummary};

/// What can be asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    window: Option<String>,
    service: Option<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    window: String,
    start: Timestamp,
    end: Timestamp,
    web_vitals: std::collections::BTreeMap<&'static str, VitalSummary>,
    attribution: Vec<Blamed>,
    api: ApiSummary,
    database: DatabaseSummary,
    cache: CacheSummary,
    budgets: Vec<BudgetSummary>,
}

pub(super) async fn get(State(api): State<Api>, Query(parameters): Query<Parameters>) -> Response {
    let text = parameters.window.as_deref().unwrap_or("1h");
    let Some(window) = window::parse(text) else {
        let detail = "window is no duration between 1m and 400d; expected something like 15m, 1h or 7d";
        return Problem::of(StatusCode::BAD_REQUEST, detail).into_response();
    };
    let end = api.clock.now();
    let read = Read { api: &api, start: end - window, end, service: parameters.service.as_deref() };
    match read.summary(text).await {
        Ok(summary) => ([(http::header::CACHE_CONTROL, "no-store")], Json(summary)).into_response(),
        Err(error) => {
            tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the summary failed");
            Problem::of(StatusCode::INTERNAL_SERVER_ERROR, "stored samples could not be read").into_response()
        }
    }
}

/// One reading of everything.
struct Read<'a> {
    api: &'a Api,
    start: Timestamp,
    end: Timestamp,
    service: Option<&'a str>,
}

type Series = Vec<(crate::base::Labels, crate::sketch::Histogram)>;

impl Read<'_> {
    async fn summary(&self, window: &str) -> Result<Summary, SourceError> {
        let mut web_vitals = std::collections::BTreeMap::new();
        for vital in &VITALS {
            let summary = self.vital(vital.metric, vital.good, vital.fair).await?;
            if vital.name != "FID" || summary.count > 0 {
                web_vitals.insert(vital.name, summary);
            }
        }
        let requests = self.increase("http_server_request_duration_seconds", &[]).await?;
        let queries = self.increase("db_client_operation_duration_seconds", &[]).await?;
        let lookups = self.increase("cache_operation_duration_seconds", &[]).await?;
        Ok(Summary {
            window: window.to_owned(),
            start: self.start,
            end: self.end,
            web_vitals,
            attribution: attribution::worst(self.api, self.start, self.end, self.service),
            api: ApiSummary::of(&requests),
            database: DatabaseSummary::of(&queries),
            cache: CacheSummary::of(&lookups),
            budgets: self.api.objectives.statuses().iter().map(BudgetSummary::of).collect(),
        })
    }

    /// The increase of each series of a metric over the window.
    async fn increase(&self, metric: &str, more: &[Matcher]) -> Result<Series, SourceError> {
        let mut matchers = self.matchers(metric);
        matchers.extend_from_slice(more);
        self.api.known.histograms(&matchers, self.start, self.end).await
    }

    fn matchers(&self, metric: &str) -> Vec<Matcher> {
        let service = self.service.map(|s| Matcher::equal("service_name", s));
        [Matcher::equal(crate::base::METRIC_NAME, metric)].into_iter().chain(service).collect()
    }

    async fn vital(&self, metric: &str, good: f64, fair: f64) -> Result<VitalSummary, SourceError> {
        let hard = Matcher::new("navigation_type", MatchOp::NotEqual, "soft-navigation");
        let hard: Vec<Matcher> = hard.into_iter().collect();
        let mut all = summary::empty(metric);
        for (_, histogram) in self.increase(metric, &hard).await? {
            all.merge(&histogram);
        }
        let mut matchers = self.matchers(metric);
        matchers.extend(hard);
        for pending in self.api.known.pending_vitals(self.start) {
            if pending.start <= self.end && Matcher::all_match(&matchers, &pending.labels) {
                all.observe_n(pending.value, u64::from(pending.weight));
            }
        }
        Ok(VitalSummary::of(&all, good, fair, metric != "web_vitals_cls"))
    }
}
