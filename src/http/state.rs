//! What the handlers work with: ports, never stores.

use std::ops::Deref;
use std::sync::Arc;

use crate::alert::{Objectives, OnCall};
use crate::base::SharedClock;
use crate::ingest::Intake;
use crate::promql::Engine;
use crate::series::{Known, Recorder};

use super::health::{AlwaysReady, Readiness};
use super::limits::RateLimits;
use super::prom::queries::Queries;
use super::reload::Reload;
use super::settings::Settings;

/// The ports of the HTTP side.
pub struct Ports {
    /// Stamps arrivals.
    pub clock: SharedClock,
    /// Answers PromQL.
    pub engine: Arc<dyn Engine>,
    /// What is known: label values, exposition, exact distributions.
    pub known: Arc<dyn Known>,
    /// Records batches durably.
    pub recorder: Arc<dyn Recorder>,
    /// Incidents and what people do to them.
    pub on_call: Arc<dyn OnCall>,
    /// Objectives, their state and budgets.
    pub objectives: Arc<dyn Objectives>,
}

/// What stands between the socket and the ports.
pub struct Edge {
    /// Limits, keys, prefixes.
    pub settings: Settings,
    /// Takes bodies in.
    pub intake: Arc<Intake>,
    /// Answers `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// The buckets of clients and keys.
    pub rates: RateLimits,
    /// The queries of all clients.
    pub queries: Arc<Queries>,
    /// Reads the configuration again, where there is one.
    pub reload: Option<Arc<dyn Reload>>,
}

impl Edge {
    /// An edge with these settings.
    pub fn new(settings: Settings, intake: Arc<Intake>, readiness: Arc<dyn Readiness>, clock: SharedClock) -> Self {
        let rates = RateLimits::new(&settings, clock);
        Self { settings, intake, readiness, rates, queries: Arc::default(), reload: None }
    }
}

struct Inner {
    ports: Ports,
    edge: Edge,
}

/// The state of the router; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

impl Api {
    /// Wraps the ports, with default settings and an intake of its own.
    pub fn new(ports: Ports) -> Self {
        let intake = Intake::new(crate::ingest::Settings::default(), Arc::clone(&ports.recorder));
        let edge = Edge::new(Settings::default(), Arc::new(intake), Arc::new(AlwaysReady), Arc::clone(&ports.clock));
        Self::with_edge(ports, edge)
    }

    /// Wraps the ports and the edge.
    pub fn with_edge(ports: Ports, edge: Edge) -> Self {
        Self(Arc::new(Inner { ports, edge }))
    }

    /// What stands between the socket and the ports.
    pub fn edge(&self) -> &Edge {
        &self.0.edge
    }
}

impl Deref for Api {
    type Target = Ports;
    fn deref(&self) -> &Ports {
        &self.0.ports
    }
}
