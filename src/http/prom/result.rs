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
use crate::promql::{Answer, Point, Value};

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
    /// Whether the next point is the first of its list.
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
        match self.place {
            Place::Head => self.head(out),
            Place::Element(index) => self.element(index, out),
            Place::Floats(index, from) => match self.points(&FLOATS, index, from, out) {
                Some(next) => Place::Floats(index, next),
                None => Place::Histograms(index, 0),
            },
            Place::Histograms(index, from) => match self.points(&HISTOGRAMS, index, from, out) {
                Some(next) => Place::Histograms(index, next),
                None => {
                    out.push(b'}');
                    Place::Element(index + 1)
                }
            },
            Place::Tail | Place::End => self.tail(out),
        }
    }

    fn element(&self, index: usize, out: &mut Vec<u8>) -> Place {
        let separator = if index > 0 { ",{\"metric\":" } else { "{\"metric\":" };
        let (labels, next) = match &self.answer.value {
            Value::Vector(samples) => (samples.get(index).map(|s| &s.labels), Place::Element(index + 1)),
            Value::Matrix(series) => (series.get(index).map(|s| &s.labels), Place::Floats(index, 0)),
            Value::Scalar(_) | Value::String(_) => (None, Place::Tail),
        };
        let Some(labels) = labels else {
            out.push(b']');
            return Place::Tail;
        };
        out.extend_from_slice(separator.as_bytes());
        push_labels(out, labels);
        if let Value::Vector(samples) = &self.answer.value {
            push_value(out, self.at, &samples[index].point);
        }
        next
    }

    /// Some points of a kind; from which one to go on, if there are more.
    fn points(&mut self, kind: &Kind, index: usize, from: usize, out: &mut Vec<u8>) -> Option<usize> {
        let Value::Matrix(series) = &self.answer.value else { return None };
        let points = &series[index].points;
        let end = points.len().min(from + POINTS);
        for (at, point) in points[from..end].iter().filter(|(_, point)| (kind.is)(point)) {
            let before = if self.first { kind.opening } else { "," };
            out.extend_from_slice(before.as_bytes());
            self.first = false;
            (kind.push)(out, *at, point);
        }
        if end < points.len() {
            return Some(end);
        }
        if !std::mem::replace(&mut self.first, true) {
            out.push(b']');
        }
        None
    }

    fn head(&self, out: &mut Vec<u8>) -> Place {
        let value = &self.answer.value;
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

/// The rest of an element of an instant vector.
fn push_value(out: &mut Vec<u8>, at: Timestamp, point: &Point) {
    let (name, kind) = match point {
        Point::Float(_) => (",\"value\":", &FLOATS),
        Point::Histogram(_) => (",\"histogram\":", &HISTOGRAMS),
    };
    out.extend_from_slice(name.as_bytes());
    (kind.push)(out, at, point);
    out.push(b'}');
}

/// One of the two kinds of points of a series, which stand in lists of their own.
struct Kind {
    /// What begins their list.
    opening: &'static str,
    is: fn(&Point) -> bool,
    push: fn(&mut Vec<u8>, Timestamp, &Point),
}

const FLOATS: Kind = Kind {
    opening: ",\"values\":[",
    is: |point| matches!(point, Point::Float(_)),
    push: |out, at, point| {
        if let Point::Float(value) = point {
            push_sample(out, at, *value);
        }
    },
};

const HISTOGRAMS: Kind = Kind {
    opening: ",\"histograms\":[",
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

#[cfg(test)]
mod tests;
