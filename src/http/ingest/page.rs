//! What all bodies of pages have in common: the door for browsers, the site's right to send, and an answer that the
//! page may read if its origin is allowed.

use axum::response::{IntoResponse, Response};
use http::Request;

use crate::http::Api;
use crate::http::auth::{self, Claimed};
use crate::ingest::{IntakeError, Outcome, PageForm};

use super::door::{Arrival, Door, Incoming, Size};
use super::reply::reply;

/// A path for pages.
#[derive(Debug, Clone, Copy)]
pub struct PageDoor {
    /// What comes here.
    pub form: PageForm,
    /// Media types; the empty one stands for a request without `Content-Type`. Without `text/plain` pages could not
    /// send as they leave: it needs no preflight.
    pub types: &'static [&'static str],
    /// How large a body may be.
    pub size: Size,
}

impl PageDoor {
    /// Takes a body; `say` makes the answer.
    pub async fn take<B: Incoming>(self, api: &Api, request: Request<B>, say: fn(Response) -> Response) -> Response {
        let Self { form, types, size } = self;
        let door = Door { endpoint: form.endpoint(), types, browser: true, size };
        let cors = auth::cors(&api.edge().settings.keys, &Claimed::of(request.headers()));
        let mut response = match door.pass(api, request).await {
            Ok(arrival) => say(reply(record(form, api, arrival).await)),
            Err(problem) => problem.into_response(),
        };
        response.headers_mut().extend(cors);
        response
    }
}

async fn record(form: PageForm, api: &Api, arrival: Arrival) -> Result<Outcome, IntakeError> {
    let authorize = |site: &str| arrival.authorize(api, site);
    let now = api.clock.now();
    let gathered = api.edge().intake.page(form, &arrival.body, &arrival.sender(), &authorize, now)?;
    // While the recorder works, the connection reads into the same buffer again.
    drop(arrival);
    gathered.record().await
}
