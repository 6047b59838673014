//! `POST /v1/metrics`, `/v1/traces`, `/v1/logs`: OTLP over HTTP, in Protocol Buffers or JSON.
//!
//! What was taken is answered with 200 and the signal's response, whose `partial_success` tells what was
//! refused; everything else with a [`status::Status`] in the form of the request (OTLP specification,
//! "OTLP/HTTP Response"). 429 and 503 may be sent again, after `Retry-After`; other errors may not.

pub mod status;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::base::DropReason;
use crate::http::auth::{self, Claimed};
use crate::http::{Api, Problem};
use crate::ingest::otlp::{Form, OtlpError, Signal};
use crate::ingest::{IntakeError, Sender};

use super::door::{Arrival, Door, Size, key_problem};
use super::reply;
use status::Status;

/// The largest request, packed and unpacked, in bytes: a collector's batch of 8192 points, unpacked.
pub const LIMIT: usize = 8 << 20;

/// Metrics.
pub async fn metrics(State(api): State<Api>, request: Request) -> Response {
    answer(&api, Signal::Metrics, request).await
}

/// Spans.
pub async fn traces(State(api): State<Api>, request: Request) -> Response {
    answer(&api, Signal::Traces, request).await
}

/// Log records, which pages send too.
pub async fn logs(State(api): State<Api>, request: Request) -> Response {
    let cors = auth::cors(&api.edge().settings.keys, &Claimed::of(request.headers()));
    let mut response = answer(&api, Signal::Logs, request).await;
    response.headers_mut().extend(cors);
    response
}

/// The door of a signal. Log records come from pages: a rate for each client, and the key as `service.name`.
const fn door(signal: Signal) -> Door {
    let browser = matches!(signal, Signal::Logs);
    let types: &[&str] = &["application/x-protobuf", "application/json"];
    Door { endpoint: signal.endpoint(), types, browser, size: Size::Fixed(LIMIT) }
}

async fn answer(api: &Api, signal: Signal, request: Request) -> Response {
    let form = form(request.headers());
    let result = match door(signal).pass(api, request).await {
        Ok(arrival) => export(api, signal, form, &arrival).await,
        Err(problem) => Err(problem),
    };
    let mut response = match result {
        Ok(body) => (StatusCode::OK, body).into_response(),
        Err(problem) => refused(problem, form),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The form of the request, and of its answer.
fn form(headers: &HeaderMap) -> Form {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(Form::Json.media_type()) { Form::Json } else { Form::Protobuf }
}

async fn export(api: &Api, signal: Signal, form: Form, arrival: &Arrival) -> Result<Vec<u8>, Problem> {
    let authorize = |site: &str| arrival.authorize(api, site);
    record(api, signal, form, &arrival.body, &arrival.sender(), &authorize).await
}

/// Records a request, and returns the response; the same for HTTP and gRPC.
pub async fn record(
    api: &Api,
    signal: Signal,
    form: Form,
    body: &[u8],
    sender: &Sender<'_>,
    authorize: crate::ingest::intake::Authorize<'_>,
) -> Result<Vec<u8>, Problem> {
    let taken = api.edge().intake.otlp(signal, form, body, sender, authorize, api.clock.now()).await;
    taken.map(|exported| exported.encode(signal, form)).map_err(|error| match error {
        OtlpError::Decode(error) => {
            let status = match error.reason() {
                DropReason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            };
            Problem::of(status, error.to_string())
        }
        OtlpError::Intake(IntakeError::Refused(reason)) => key_problem(reason),
        OtlpError::Intake(IntakeError::Record(error)) => reply::unavailable(&error),
    })
}

/// A problem in the form of the request.
fn refused(problem: Problem, form: Form) -> Response {
    let body = Status::of(&problem).encode(form);
    let mut response = (problem.status(), body).into_response();
    for (name, value) in problem.headers() {
        response.headers_mut().append(name, value.clone());
    }
    response
}

#[cfg(test)]
mod tests;
