//! What the pushed forms of Redis and PostgreSQL share: the instance, the record, the refusals.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::base::DropReason;
use crate::http::{Api, Problem};
use crate::ingest::Endpoint;
use crate::series::Item;

use super::reply::reply;

/// The longest body, packed and unpacked, in bytes.
pub(super) const LIMIT: usize = 4 << 20;
/// The longest name of an instance, in bytes.
const NAME_LIMIT: usize = 100;

/// The instance in the query, which must be named: without it two servers would write into one series.
pub(super) fn instance(query: &str) -> Result<String, Refusal> {
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "instance");
    let name = named.map(|(_, value)| value.into_owned()).unwrap_or_default();
    if name.is_empty() || name.len() > NAME_LIMIT || name.contains(char::is_control) {
        let detail = "say which server with ?instance=NAME (1 to 100 bytes)";
        return Err(Refusal::new(DropReason::Invalid, StatusCode::BAD_REQUEST, detail));
    }
    Ok(name)
}

/// A body that is refused whole.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: DropReason,
    problem: Problem,
}

impl Refusal {
    pub(super) fn new(reason: DropReason, status: StatusCode, detail: impl Into<String>) -> Self {
        Self { reason, problem: Problem::of(status, detail).with("reason", reason.as_str()) }
    }
}

/// What a body gave: samples, and what was left out by reason.
pub(super) type Parsed = (Vec<Item>, Vec<(DropReason, u64)>);

/// Records the samples; the answer is given when they are durable. A refusal is counted as one.
pub(super) async fn finish(api: &Api, endpoint: Endpoint, parsed: Result<Parsed, Refusal>) -> Response {
    let intake = &api.edge().intake;
    match parsed {
        Ok((items, dropped)) => reply(intake.samples(endpoint, items, &dropped).await),
        Err(refusal) => {
            intake.tally().refuse(endpoint, refusal.reason);
            refusal.problem.into_response()
        }
    }
}
