//! The demonstration's way to talk HTTP: our own client, to loopback.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::base::SharedClock;
use crate::egress::{BuildError, Client, EgressError, Limits, Policy, Request, Response};

/// A client with a clock.
#[derive(Clone)]
pub struct Http {
    client: Client,
    clock: SharedClock,
}

impl Http {
    /// A patient client: a browser may take a while to start.
    pub fn new(clock: SharedClock) -> Result<Self, BuildError> {
        let limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(30) };
        Ok(Self { client: Client::new(limits, Policy::Configured)?, clock })
    }

    /// `GET url`; anything but 2xx is an error.
    pub async fn get(&self, url: &str) -> Result<Response, EgressError> {
        self.client.send(Request::get(parse(url)?), self.clock.now()).await
    }

    /// `POST url`; anything but 2xx is an error.
    pub async fn post(&self, url: &str, kind: &'static str, body: impl Into<Bytes>) -> Result<Response, EgressError> {
        self.client.send(Request::post(parse(url)?, kind, body), self.clock.now()).await
    }
}

fn parse(url: &str) -> Result<Url, EgressError> {
    Url::parse(url).map_err(|_| EgressError::Url { place: url.to_owned() })
}
