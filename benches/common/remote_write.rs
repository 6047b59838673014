//! A sender of Prometheus remote write 1.0 that costs little: labels are encoded once, requests are built ahead in
//! a thread of their own, and each of several connections sends the requests of its own series in order.

use std::io::Result;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::http::Http;

const HEADERS: &str = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n\
                       x-prometheus-remote-write-version: 0.1.0\r\n";
/// Requests that may wait for a connection.
const AHEAD: usize = 4;
/// Fields of `prometheus.TimeSeries`.
const SAMPLES: u32 = 2;
const HISTOGRAMS: u32 = 4;

/// `prometheus.Label`.
#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `prometheus.TimeSeries` without samples.
#[derive(Clone, PartialEq, Message)]
struct Labels {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
}

/// `prometheus.Sample`.
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// `prometheus.BucketSpan`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

/// `prometheus.Histogram` with whole counts and positive buckets.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Native {
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(uint64, tag = "6")]
    pub(crate) zero_count: u64,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
}

/// The labels of a series, encoded.
#[derive(Clone)]
pub(crate) struct Series(Vec<u8>);

impl Series {
    /// The labels, `__name__` among them.
    pub(crate) fn new(labels: &[(&str, &str)]) -> Self {
        let label = |(name, value): &(&str, &str)| Label { name: (*name).to_owned(), value: (*value).to_owned() };
        let mut labels: Vec<Label> = labels.iter().map(label).collect();
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Self(Labels { labels }.encode_to_vec())
    }
}

/// A request while it is built.
#[derive(Default)]
pub(crate) struct Request {
    body: Vec<u8>,
    one: Vec<u8>,
    series: usize,
}

impl Request {
    /// Adds samples of a series: time in milliseconds and value.
    pub(crate) fn samples(&mut self, series: &Series, samples: &[(i64, f64)]) {
        self.one.clone_from(&series.0);
        for &(timestamp, value) in samples {
            push(&mut self.one, SAMPLES, &Sample { value, timestamp }.encode_to_vec());
        }
        self.close();
    }

    /// Adds a native histogram of a series.
    pub(crate) fn native(&mut self, series: &Series, histogram: &Native) {
        self.one.clone_from(&series.0);
        push(&mut self.one, HISTOGRAMS, &histogram.encode_to_vec());
        self.close();
    }

    fn close(&mut self) {
        push(&mut self.body, 1, &self.one);
        self.series += 1;
    }

    /// How many series it has.
    pub(crate) fn len(&self) -> usize {
        self.series
    }

    /// The body of the request, and an empty one to go on with.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let packed = snap::raw::Encoder::new().compress_vec(&self.body).expect("it fits into snappy's format");
        self.body.clear();
        self.series = 0;
        packed
    }
}

fn push(buffer: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    encode_key(field, WireType::LengthDelimited, buffer);
    encode_varint(bytes.len() as u64, buffer);
    buffer.extend_from_slice(bytes);
}

/// Sends one request; waits and sends again when the server says that it is busy.
pub(crate) fn post(http: &mut Http, body: &[u8]) -> Result<std::result::Result<(), String>> {
    loop {
        let reply = http.post("/api/v1/write", HEADERS, body)?;
        match reply.status {
            200..=299 => return Ok(Ok(())),
            429 | 503 => std::thread::sleep(Duration::from_millis(20)),
            status => return Ok(Err(format!("answers {status} {}", reply.text()))),
        }
    }
}

/// Sends all requests, each over the connection that `lane` names (its number, modulo `lanes`).
///
/// # Errors
/// What the server answered when it refused one.
pub(crate) fn send_all(
    port: u16,
    lanes: usize,
    build: impl FnOnce(&mut dyn FnMut(usize, Vec<u8>)) + Send,
) -> std::result::Result<(), String> {
    std::thread::scope(|scope| {
        let (senders, threads): (Vec<SyncSender<Vec<u8>>>, Vec<_>) = (0..lanes)
            .map(|_| {
                let (sender, receiver) = sync_channel(AHEAD);
                (sender, scope.spawn(move || drain(port, &receiver)))
            })
            .unzip();
        scope.spawn(move || {
            // A lane that was refused has hung up; the others go on to their end.
            build(&mut |lane, body| drop(senders[lane % lanes].send(body)));
        });
        threads.into_iter().try_for_each(|t| t.join().expect("a sender ends in order"))
    })
}

fn drain(port: u16, bodies: &Receiver<Vec<u8>>) -> std::result::Result<(), String> {
    let mut http = Http::connect(port).map_err(|e| e.to_string())?;
    bodies.iter().try_for_each(|body| post(&mut http, &body).map_err(|e| e.to_string())?)
}
