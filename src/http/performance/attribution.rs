//! The elements that views beyond good blame, in milliseconds as the summary's readers expect.

use serde::Serialize;

use crate::base::Timestamp;
use crate::http::state::Api;
use crate::ingest::attribution::Target;

/// How many elements are listed.
const LISTED: usize = 20;

/// One element.
#[derive(Debug, Serialize)]
pub(super) struct Blamed {
    service: String,
    route: String,
    metric: String,
    target: String,
    /// Views beyond good.
    views: u64,
    /// Poor views among them.
    poor: u64,
    average: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

/// The worst of a service, or of all; without soft navigations.
pub(super) fn worst(api: &Api, start: Timestamp, end: Timestamp, service: Option<&str>) -> Vec<Blamed> {
    let board = api.edge().intake.attributions();
    let found = board.worst(start, end, LISTED, |spot| !spot.soft && service.is_none_or(|s| s == spot.service));
    found.into_iter().map(Blamed::of).collect()
}

impl Blamed {
    fn of(target: Target) -> Self {
        let in_ms = target.spot.vital != "CLS";
        let scale = if in_ms { 1000.0 } else { 1.0 };
        Self {
            service: target.spot.service,
            route: target.spot.route,
            metric: target.spot.vital,
            target: target.target,
            views: target.views,
            poor: target.poor,
            average: (target.average * scale * 1e4).round() / 1e4,
            unit: in_ms.then_some("ms"),
        }
    }
}
