//! What the handlers work with: ports, never stores.

use std::ops::Deref;
use std::sync::Arc;

use crate::alert::{Objectives, OnCall};
use crate::base::SharedClock;
use crate::promql::Engine;
use crate::series::{Known, Recorder};

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

/// The state of the router; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Ports>);

impl Api {
    /// Wraps the ports.
    pub fn new(ports: Ports) -> Self {
        Self(Arc::new(ports))
    }
}

impl Deref for Api {
    type Target = Ports;
    fn deref(&self) -> &Ports {
        &self.0
    }
}
