//! A router over three series in memory, for the tests of the actions.

mod objectives;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::routes;
use crate::alert::{ActError, Action, AuditEntry, Incident, IncidentDetail, ObjectiveStatus, Objectives, OnCall};
use crate::base::clock::BoxFuture;
use crate::base::id::IncidentId;
use crate::base::{Labels, ManualClock, Matcher, Timestamp};
use crate::http::{Api, Ports};
use crate::promql::memory::{MemorySource, growing_histograms};
use crate::promql::{LocalEngine, Selection, SeriesSamples, Source, SourceError};
use crate::series::{Batch, Exposed, Known, MetricType, PendingVital, RecordError, Recorded, Recorder, SeriesStats};
use crate::sketch::{Histogram, NativeBuckets, NativeHistogram};
use crate::slo::{BudgetReport, CompiledObjective, Window};

/// The status and JSON of a GET at one minute past the epoch.
pub(super) async fn get(uri: &str) -> (StatusCode, serde_json::Value) {
    let uri = uri.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    call(Request::get(uri).body(Body::empty()).unwrap()).await
}

/// The status and JSON of a POST with a form.
pub(super) async fn post_form(uri: &str, form: &str) -> (StatusCode, serde_json::Value) {
    let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
    call(request.body(Body::from(form.to_owned())).unwrap()).await
}

/// The whole reply.
pub(super) async fn answer(request: Request<Body>) -> Response {
    routes().with_state(api()).oneshot(request).await.unwrap()
}

async fn call(request: Request<Body>) -> (StatusCode, serde_json::Value) {
    let response = answer(request).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {body:?}")))
}

fn api() -> Api {
    let mut source = MemorySource::load("load 1m\nup{job=\"a\"} 1+1x10\nup{job=\"b\"} 0.25+0.25x10").unwrap();
    let native = NativeHistogram {
        schema: 0,
        zero_threshold: 0.5,
        zero_count: 2.0,
        count: 6.0,
        sum: 11.0,
        positive: NativeBuckets(vec![(1, 3.0)]),
        negative: NativeBuckets(vec![(1, 1.0)]),
        ..NativeHistogram::default()
    };
    let labels = Labels::new([("__name__", "native")]);
    source.push(growing_histograms(labels, &native, Duration::from_secs(60), 2));
    let source = Arc::new(Fixed(source));
    Api::new(Ports {
        clock: Arc::new(ManualClock::at(Timestamp::from_secs(60))),
        engine: Arc::new(LocalEngine::new(source.clone())),
        known: source.clone(),
        recorder: source.clone(),
        on_call: source.clone(),
        objectives: source,
    })
}

/// The series, and ports that these tests do not reach.
struct Fixed(MemorySource);

impl Source for Fixed {
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        self.0.select(selection)
    }

    fn series<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        self.0.series(selection)
    }
}

const UNREACHED: &str = "the Prometheus API does not ask this";

impl Known for Fixed {
    fn exposition(&self, _now: Timestamp) -> Vec<Exposed> {
        unreachable!("{UNREACHED}")
    }

    fn histograms<'a>(
        &'a self,
        _matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        unreachable!("{UNREACHED}")
    }

    fn increases<'a>(
        &'a self,
        _matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        unreachable!("{UNREACHED}")
    }

    fn pending_vitals(&self, _since: Timestamp) -> Vec<PendingVital> {
        unreachable!("{UNREACHED}")
    }

    fn stats(&self, limit: usize) -> SeriesStats {
        let mut by_metric = vec![("up".to_owned(), 2), ("native".to_owned(), 1)];
        by_metric.truncate(limit);
        SeriesStats { series: 3, by_metric, ..SeriesStats::default() }
    }

    fn metric_type(&self, metric: &str) -> MetricType {
        if metric == "native" { MetricType::Histogram } else { MetricType::Gauge }
    }
}

impl Recorder for Fixed {
    fn record(&self, _batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        unreachable!("{UNREACHED}")
    }
}

impl OnCall for Fixed {
    fn incidents(&self, _all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>> {
        unreachable!("{UNREACHED}")
    }

    fn incident(&self, _id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>> {
        unreachable!("{UNREACHED}")
    }

    fn act<'a>(
        &'a self,
        _id: IncidentId,
        _action: Action,
        _by: &'a str,
        _source: &'a str,
        _note: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Incident, ActError>> {
        unreachable!("{UNREACHED}")
    }

    fn audit(&self, _since: Timestamp, _limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>> {
        unreachable!("{UNREACHED}")
    }
}

impl Objectives for Fixed {
    fn statuses(&self) -> Vec<ObjectiveStatus> {
        objectives::statuses()
    }

    fn compiled(&self, name: &str) -> Option<Arc<CompiledObjective>> {
        objectives::compiled(name).map(Arc::new)
    }

    fn budget<'a>(
        &'a self,
        _name: &'a str,
        _window: Option<Window>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<BudgetReport>, SourceError>> {
        unreachable!("{UNREACHED}")
    }

    fn last_evaluation(&self) -> Option<Timestamp> {
        unreachable!("{UNREACHED}")
    }

    fn evaluate_every(&self) -> Duration {
        Duration::from_secs(5)
    }
}
