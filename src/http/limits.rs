//! How much and how often: bodies are capped while they are read, clients by a bucket each.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http_body_util::BodyExt;

use crate::base::SharedClock;

use super::client::Client;
use super::ingest::door::Incoming;
use super::settings::{Rate, Settings};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("the body did not arrive within {0:?}")]
    Slow(Duration),
    /// The connection broke, or the framing was wrong.
    #[error("the body ended early")]
    Broken(#[source] axum::Error),
}

/// The most that is read past a limit, so that a client that is still sending sees the answer instead
/// of a broken connection.
const DRAINED_BYTES: usize = 16 << 20;

/// Reads a body of at most `limit` bytes within `timeout`.
pub async fn read<B: Incoming>(
    body: B,
    limit: usize,
    clock: &SharedClock,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    let reading = read_capped(body, limit);
    tokio::pin!(reading);
    // Most bodies come with their head, and no timer is needed.
    if let Poll::Ready(result) = futures::poll!(&mut reading) {
        return result;
    }
    tokio::select! {
        result = reading => result,
        () = clock.sleep(timeout) => Err(BodyError::Slow(timeout)),
    }
}

/// A body of one frame, the usual case, is not copied.
async fn read_capped<B: Incoming>(mut body: B, limit: usize) -> Result<Bytes, BodyError> {
    let mut whole = Whole::Frame(Bytes::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| BodyError::Broken(axum::Error::new(e)))?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            Box::pin(skip(body, DRAINED_BYTES)).await;
            return Err(BodyError::TooLarge { limit });
        }
        whole = whole.and(data);
    }
    Ok(match whole {
        Whole::Frame(bytes) => bytes,
        Whole::Joined(bytes) => bytes.freeze(),
    })
}

/// What has been read of a body.
enum Whole {
    Frame(Bytes),
    Joined(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Frame(bytes) => bytes.len(),
            Self::Joined(bytes) => bytes.len(),
        }
    }

    fn and(self, data: Bytes) -> Self {
        let mut joined = match self {
            Self::Frame(first) if first.is_empty() => return Self::Frame(data),
            Self::Frame(first) => BytesMut::from(first),
            Self::Joined(joined) => joined,
        };
        joined.extend_from_slice(&data);
        Self::Joined(joined)
    }
}

/// Reads on without keeping anything.
async fn skip<B: Incoming>(mut body: B, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Reads past a body that is refused unread.
pub async fn discard<B: Incoming>(body: B, clock: &SharedClock, timeout: Duration) {
    tokio::select! {
        () = skip(body, DRAINED_BYTES) => {}
        () = clock.sleep(timeout) => {}
    }
}

/// Our clock as the limiter sees it.
#[derive(Clone)]
struct Monotonic(SharedClock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Buckets<K> = RateLimiter<K, DashMapStateStore<K>, Monotonic, NoOpMiddleware<Duration>>;

/// Clients remembered at once; beyond, new ones share one bucket until old ones are forgotten.
const CLIENTS: usize = 100_000;
/// Every so many requests, clients whose bucket is full again are forgotten.
const SWEEP_EVERY: u64 = 4096;

/// The buckets of all clients and keys.
pub struct RateLimits {
    clock: Monotonic,
    checks: AtomicU64,
    clients: Option<Buckets<Client>>,
    keys: Vec<Option<Buckets<()>>>,
}

impl RateLimits {
    /// The buckets that the settings ask for.
    pub fn new(settings: &Settings, clock: SharedClock) -> Self {
        let clock = Monotonic(clock);
        let clients = settings.limits.per_client.and_then(quota);
        let clients = clients.map(|q| RateLimiter::dashmap_with_clock(q, clock.clone()));
        let of_key =
            |rate: Option<Rate>| rate.and_then(quota).map(|q| RateLimiter::dashmap_with_clock(q, clock.clone()));
        let keys = settings.keys.ingest.iter().map(|k| of_key(k.rate)).collect();
        Self { clock, checks: AtomicU64::new(0), clients, keys }
    }

    /// Takes one request from a client's bucket; `Err` is how long to wait.
    pub fn client(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(buckets) = &self.clients else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
        }
        let crowded = buckets.len() >= CLIENTS;
        let client = if crowded { Client::at(IpAddr::V4(std::net::Ipv4Addr::BROADCAST)) } else { Client::at(address) };
        buckets.check_key(&client).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Takes one request from a key's bucket; `Err` is how long to wait.
    pub fn key(&self, position: usize) -> Result<(), Duration> {
        let Some(Some(bucket)) = self.keys.get(position) else { return Ok(()) };
        bucket.check_key(&()).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// The quota of a rate; `None` for rates faster than one a nanosecond, which are no limit.
fn quota(rate: Rate) -> Option<Quota> {
    Some(Quota::with_period(rate.per / rate.requests.get())?.allow_burst(rate.requests))
}

/// Whether a declared length is over the limit.
pub fn is_declared_too_large(headers: &http::HeaderMap, limit: usize) -> bool {
    let declared = headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    declared.is_some_and(|n| n > limit as u64)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use axum::body::Body;

    use super::*;
    use crate::base::{ManualClock, Timestamp};

    #[tokio::test]
    async fn bodies_stop_at_the_limit() {
        let clock: SharedClock = Arc::new(ManualClock::at(Timestamp::from_secs(0)));
        let body = |chunks: usize| {
            let chunk = |_| Ok::<_, std::io::Error>(Bytes::from_static(b"12345"));
            Body::from_stream(futures::stream::iter((0..chunks).map(chunk)))
        };
        let minute = Duration::from_secs(60);
        assert_eq!(read(body(4), 20, &clock, minute).await.unwrap(), "12345".repeat(4));
        assert!(matches!(read(body(5), 20, &clock, minute).await, Err(BodyError::TooLarge { limit: 20 })));
        assert_eq!(read(Body::empty(), 0, &clock, minute).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_given_up() {
        let clock = ManualClock::at(Timestamp::from_secs(0));
        let shared: SharedClock = Arc::new(clock.clone());
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let reading = read(silent, 20, &shared, Duration::from_secs(30));
        tokio::pin!(reading);
        assert!(futures::poll!(&mut reading).is_pending());
        clock.advance(Duration::from_secs(30));
        assert!(matches!(reading.await, Err(BodyError::Slow(_))));
    }

    #[test]
    fn each_client_has_a_bucket() {
        let clock = ManualClock::at(Timestamp::from_secs(0));
        let mut settings = Settings::default();
        let rate = Rate { requests: NonZeroU32::new(2).unwrap(), per: Duration::from_secs(1) };
        settings.limits.per_client = Some(rate);
        let limits = RateLimits::new(&settings, Arc::new(clock.clone()));
        let (a, b) = ("1.1.1.1".parse().unwrap(), "2.2.2.2".parse().unwrap());
        assert!(limits.client(a).is_ok() && limits.client(a).is_ok());
        assert_eq!(limits.client(a), Err(Duration::from_millis(500)));
        assert!(limits.client(b).is_ok());
        clock.advance(Duration::from_millis(500));
        assert!(limits.client(a).is_ok() && limits.client(a).is_err());
    }
}
