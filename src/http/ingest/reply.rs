//! What a sender hears about its body.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::base::DropReason;
use crate::http::Problem;
use crate::ingest::{IntakeError, Outcome};
use crate::series::RecordError;

use super::door::key_problem;

/// How long senders should wait when the journal cannot take more,
const WAIT: Duration = Duration::from_secs(1);
/// and when it cannot be written: whoever can free space needs a while.
const WAIT_FOR_DISK: Duration = Duration::from_secs(10);

/// 204 when nothing was wrong; 200 with the errors when something was; 400 or 422 when everything was.
pub fn reply(result: Result<Outcome, IntakeError>) -> Response {
    let mut response = match result {
        Ok(outcome) if outcome.rejected.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(outcome) if outcome.is_refused() => refused(&outcome).into_response(),
        Ok(outcome) => Json(outcome).into_response(),
        Err(IntakeError::Refused(reason)) => key_problem(reason).with("reason", reason.as_str()).into_response(),
        Err(IntakeError::Record(error @ RecordError::TooMany { .. })) => too_many(&error).into_response(),
        Err(IntakeError::Record(error)) => unavailable(&error).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Everything was refused: 400 when none of it could be read, 422 when it could and is of no use.
fn refused(outcome: &Outcome) -> Problem {
    let unread = outcome.rejected.iter().all(|e| e.reason == DropReason::Malformed);
    let status = if unread { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (detail, reason) = match outcome.rejected.as_slice() {
        [one] if outcome.more == 0 => (one.error.to_string(), one.reason),
        [first, ..] => {
            (format!("nothing of this body was taken; first, line {}: {}", first.line, first.error), first.reason)
        }
        [] => (String::new(), DropReason::Invalid),
    };
    let rejected = serde_json::to_value(&outcome.rejected).unwrap_or_default();
    Problem::of(status, detail).with("reason", reason.as_str()).with("accepted", 0).with("rejected", rejected)
}

fn too_many(error: &RecordError) -> Problem {
    Problem::of(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).with("reason", error.reason().as_str())
}

/// Nothing was stored; the sender keeps its data and comes again.
pub fn unavailable(error: &RecordError) -> Problem {
    let (detail, wait) = match error {
        // Answered before: it will not fit later.
        RecordError::TooMany { .. } => ("the request brings too many items", WAIT),
        RecordError::Full => ("the journal cannot take more now; send again", WAIT),
        RecordError::Stopped => ("the service is stopping; send again", WAIT),
        RecordError::Journal(_) => ("the journal cannot be written; send again later", WAIT_FOR_DISK),
    };
    let problem = Problem::of(StatusCode::SERVICE_UNAVAILABLE, detail).with("reason", DropReason::Overloaded.as_str());
    problem.retry_after(wait)
}
