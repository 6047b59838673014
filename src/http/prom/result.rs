//! Query results as JSON: numbers of samples are strings, times are seconds.
//!
//! A result is written in pieces that the connection takes one after the other. The first one is written at
//! once: what fits into it, nearly everything, is an ordinary reply with its length. Of a larger one never more
//! than a piece is in memory beside the result itself, and nothing is written for a client that has gone.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::histogram::HistogramJson;
use super::json::{push_json, push_labels, push_sample, push_seconds};
use super::reply::truncate;
use super::stats::StatsJson;
use crate::base::Timestamp;
use crate::promql::{Answer, InstantSample, Point, RangeSeries, Value};

/// A piece is sent when it has grown to this.
const PIECE: usize = 64 << 10;
/// So many points are written before the size of a piece is looked at.
const POINTS: usize = 512;

/// The whole reply; `at` stamps what has no time of its own.
pub(super) fn respond(mut answer: Answer, at: Timestamp, limit: usize, stats: Option<StatsJson>) -> Response {
    let cut = match &mut answer.value {
        Value::Vector(samples) => truncate(samples, limit),
        Value::Matrix(series) => truncate(series, limit),
        Value::Scalar(_) | Value::String(_) => None,
    };
    answer.warnings.extend(cut);
    let mut pieces = Pieces { answer, at, stats, place: Place::Head, first: true };
    let body = match (pieces.next(), pieces.place) {
        (piece, Place::End) => Body::from(piece.unwrap_or_default()),
        (piece, _) => {
            let all = piece.into_iter().chain(pieces).map(Ok::<_, std::convert::Infallible>);
            Body::from_stream(futures::stream::iter(all))
        }
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// What is written next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Head,
    /// The element at this index.
    Element(usize),
    /// The floats of a series, from this point on.
    Floats(usize, usize),
    /// The histograms of a series, from this point on.
    Histograms(usize, usize),
    Tail,
    End,
}

/// The pieces of a reply.
struct Pieces {
    answer: Answer,
    at: Timestamp,
    stats: Option<StatsJson>,
    place: Place,
    /// Whether what comes next is the first of its list.
    first: bool,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while self.place != Place::End && out.len() < PIECE {
            self.place = self.step(&mut out);
        }
        (!out.is_empty()).then(|| out.into())
    }
}

impl Pieces {
    /// Writes a little, and says what comes next.
    fn step(&mut self, out: &mut Vec<u8>) -> Place {
        match (self.place, &self.answer.value) {
            (Place::Head, value) => self.head(value, out),
            (Place::Element(index), Value::Vector(samples)) => match samples.get(index) {
                Some(sample) => {
                    separate(out, index == 0);
                    instant(sample, self.at, out);
                    Place::Element(index + 1)
                }
                None => close(out, Place::Tail),
            },
            (Place::Element(index), Value::Matrix(series)) => match series.get(index) {
                Some(one) => {
                    separate(out, index == 0);
                    out.extend_from_slice(b"{\"metric\":");
                    push_labels(out, &one.labels);
                    self.first = true;
                    Place::Floats(index, 0)
                }
                None => close(out, Place::Tail),
            },
            (Place::Floats(index, from), Value::Matrix(series)) => {
                let (next, first) = points(&series[index], from, self.first, &FLOATS, out);
                self.first = first;
                next.map_or(Place::Histograms(index, 0), |from| Place::Floats(index, from))
            }
            (Place::Histograms(index, from), Value::Matrix(series)) => {
                let (next, first) = points(&series[index], from, self.first, &HISTOGRAMS, out);
                self.first = first;
                if next.is_none() {
                    out.push(b'}');
                }
                next.map_or(Place::Element(index + 1), |from| Place::Histograms(index, from))
            }
            _ => self.tail(out),
        }
    }

    fn head(&self, value: &Value, out: &mut Vec<u8>) -> Place {
        out.extend_from_slice(b"{\"status\":\"success\",\"data\":{\"resultType\":\"");
        let (kind, place) = match value {
            Value::Scalar(_) => ("scalar", Place::Tail),
            Value::String(_) => ("string", Place::Tail),
            Value::Vector(_) => ("vector", Place::Element(0)),
            Value::Matrix(_) => ("matrix", Place::Element(0)),
        };
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"result\":");
        match value {
            Value::Scalar(value) => push_sample(out, self.at, *value),
            Value::String(text) => {
                out.push(b'[');
                push_seconds(out, self.at);
                out.push(b',');
                push_json(out, text);
                out.push(b']');
            }
            Value::Vector(_) | Value::Matrix(_) => out.push(b'['),
        }
        place
    }

    fn tail(&self, out: &mut Vec<u8>) -> Place {
        if let Some(stats) = &self.stats {
            out.extend_from_slice(b",\"stats\":");
            push_json(out, stats);
        }
        out.push(b'}');
        for (name, notes) in [("warnings", &self.answer.warnings), ("infos", &self.answer.infos)] {
            if !notes.is_empty() {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                push_json(out, notes);
            }
        }
        out.push(b'}');
        Place::End
    }
}

fn separate(out: &mut Vec<u8>, first: bool) {
    if !first {
        out.push(b',');
    }
}

fn close(out: &mut Vec<u8>, next: Place) -> Place {
    out.push(b']');
    next
}

fn instant(sample: &InstantSample, at: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"metric\":");
    push_labels(out, &sample.labels);
    match &sample.point {
        Point::Float(value) => {
            out.extend_from_slice(b",\"value\":");
            push_sample(out, at, *value);
        }
        Point::Histogram(_) => {
            out.extend_from_slice(b",\"histogram\":");
            (HISTOGRAMS.push)(out, at, &sample.point);
        }
    }
    out.push(b'}');
}

/// One of the two kinds of points of a series, which stand in lists of their own.
struct Kind {
    name: &'static str,
    is: fn(&Point) -> bool,
    push: fn(&mut Vec<u8>, Timestamp, &Point),
}

const FLOATS: Kind = Kind {
    name: "values",
    is: |point| matches!(point, Point::Float(_)),
    push: |out, at, point| {
        if let Point::Float(value) = point {
            push_sample(out, at, *value);
        }
    },
};

const HISTOGRAMS: Kind = Kind {
    name: "histograms",
    is: |point| matches!(point, Point::Histogram(_)),
    push: |out, at, point| {
        if let Point::Histogram(histogram) = point {
            out.push(b'[');
            push_seconds(out, at);
            out.push(b',');
            push_json(out, &HistogramJson(histogram));
            out.push(b']');
        }
    },
};

/// Writes some points of a kind; where to go on, if there are more, and whether none has been written yet.
fn points(series: &RangeSeries, from: usize, mut first: bool, kind: &Kind, out: &mut Vec<u8>) -> (Option<usize>, bool) {
    let end = series.points.len().min(from + POINTS);
    for (at, point) in series.points[from..end].iter().filter(|(_, point)| (kind.is)(point)) {
        if first {
            out.extend_from_slice(format!(",\"{}\":[", kind.name).as_bytes());
        } else {
            out.push(b',');
        }
        first = false;
        (kind.push)(out, *at, point);
    }
    if end < series.points.len() {
        return (Some(end), first);
    }
    if !first {
        out.push(b']');
    }
    (None, true)
}

#[cfg(test)]
mod tests;
