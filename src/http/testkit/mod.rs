//! Fakes of every port with one story in them: a shop at 03:12 whose API has become slow.
//!
//! The library's own tests and the integration tests both include this file, so it names the library
//! `plimsoll`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "test kit, shared by two crates that each use a part of it"
)]

mod engine;
mod known;
mod objectives;
mod on_call;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use parking_lot::Mutex;
use plimsoll::alert::{
    ActError, Action, AuditEntry, BudgetLeft, Delivery, GroupStatus, Incident, IncidentDetail, IncidentState,
    ObjectiveStatus, Objectives, OnCall, StatusKind, TimelineEntry,
};
use plimsoll::base::clock::BoxFuture;
use plimsoll::base::id::IncidentId;
use plimsoll::base::{Labels, ManualClock, Matcher, Severity, SharedClock, Timestamp};
use plimsoll::http::{Api, Ports};
use plimsoll::promql::{
    Answer, Engine, InstantSample, Point, QueryError, QueryOptions, RangeSeries, Selection, SeriesSamples, Source,
    SourceError, Value,
};
use plimsoll::series::{
    Batch, Exposed, Known, MetricCatalog, MetricType, PendingVital, RecordError, Recorded, Recorder, SeriesStats,
};
use plimsoll::sketch::Histogram;
use plimsoll::slo::{
    AlertRule, Budget, BudgetReport, BurnReport, CalendarPeriod, Comparison, CompiledObjective, Contributor, Indicator,
    Level, Objective, RatioSide, RuleKind, Unit, Window,
};
use tower::ServiceExt as _;

use engine::{FakeEngine, FakeRecorder};
use known::FakeKnown;
use objectives::{FakeObjectives, objectives};
use on_call::{FakeOnCall, incident_id, incidents};

type Act = (Action, String, String, Option<String>);

/// The story's present.
pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T03:12:00Z").unwrap()
}

fn minutes_ago(minutes: u64) -> Timestamp {
    now() - Duration::from_secs(60 * minutes)
}

/// The fakes, and a client for routers over them.
pub struct Kit {
    api: Api,
    on_call: Arc<FakeOnCall>,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The JSON of a success.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status of a problem document, which must be one and agree with itself.
    pub fn problem(&self) -> u16 {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body: serde_json::Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(body["status"], self.status);
        assert!(!body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty());
        self.status
    }
}

impl Kit {
    /// The story with everything in it.
    pub fn new() -> Self {
        Self::with(SharedState { objectives: objectives(), incidents: incidents(), data: true }, clock())
    }

    /// A server that has just been installed.
    pub fn empty() -> Self {
        Self::with(SharedState::default(), clock())
    }

    /// The story without its incidents.
    pub fn calm() -> Self {
        let mut objectives = objectives();
        for (status, _) in &mut objectives {
            status.status = StatusKind::Ok;
            status.groups.iter_mut().for_each(|g| g.status = StatusKind::Ok);
            status.value = status.target.or(status.value);
            status.budget.iter_mut().for_each(|b| b.remaining = Some(0.8));
        }
        Self::with(SharedState { objectives, incidents: Vec::new(), data: true }, clock())
    }

    /// Nobody is told, and yet one budget is overdrawn.
    pub fn overdrawn() -> Self {
        let mut objectives = objectives();
        for (status, _) in &mut objectives {
            status.status = StatusKind::Ok;
            status.groups.clear();
            status.value = status.target.or(status.value);
            status.budget.iter_mut().for_each(|b| b.remaining = Some(-0.2));
        }
        Self::with(SharedState { objectives, incidents: Vec::new(), data: true }, clock())
    }

    fn with(state: SharedState, clock: SharedClock) -> Self {
        let on_call = Arc::new(FakeOnCall { incidents: Mutex::new(state.incidents), ..FakeOnCall::default() });
        let api = Api::new(Ports {
            clock,
            engine: Arc::new(FakeEngine { data: state.data }),
            known: Arc::new(FakeKnown { data: state.data }),
            recorder: Arc::new(FakeRecorder),
            on_call: on_call.clone(),
            objectives: Arc::new(FakeObjectives(state.objectives)),
        });
        Self { api, on_call }
    }

    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// The incident that nobody has answered.
    pub fn incident_id(&self) -> IncidentId {
        incident_id(1)
    }

    /// What was asked of on-call, oldest first.
    pub fn acts(&self) -> Vec<Act> {
        self.on_call.acts.lock().clone()
    }

    /// From now on the incidents' database is down.
    pub fn fail_on_call(&self) {
        self.on_call.failing.store(true, Ordering::Relaxed);
    }

    pub fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder().method(method).uri(path)
    }

    pub async fn send(&self, routes: Router<Api>, request: Builder, body: impl Into<Body>) -> Reply {
        let request = request.body(body.into()).unwrap();
        let response = routes.with_state(self.api()).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub async fn get(&self, routes: Router<Api>, path: &str) -> Reply {
        self.send(routes, self.request("GET", path), "").await
    }

    pub async fn post_json(&self, routes: Router<Api>, path: &str, body: &str) -> Reply {
        let request = self.request("POST", path).header("content-type", "application/json");
        self.send(routes, request, body.to_owned()).await
    }

    pub async fn post_form(&self, routes: Router<Api>, path: &str, body: &str) -> Reply {
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(routes, request.header("sec-fetch-site", "same-origin"), body.to_owned()).await
    }
}

fn clock() -> SharedClock {
    Arc::new(ManualClock::at(now()))
}

#[derive(Default)]
struct SharedState {
    objectives: Vec<(ObjectiveStatus, CompiledObjective)>,
    incidents: Vec<IncidentDetail>,
    data: bool,
}
