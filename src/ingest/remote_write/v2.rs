//! `io.prometheus.write.v2.Request`, the message of remote write 2.0.
//!
//! ```text
//! Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
//! TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
//!              repeated Exemplar exemplars = 4; Metadata metadata = 5; }
//! Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
//! ```
//! (`prompb/io/prometheus/write/v2/types.proto` of Prometheus; specification 2.0.) Every text is a number into
//! `symbols`, which begins with the empty one. Those numbers differ from request to request, so the labels are
//! written out as version 1 has them, and a series is known by the same bytes whichever version names it.
//!
//! Not kept: the time at which a counter began (`created_timestamp`, later `start_timestamp`); resets are seen
//! in the values.

use std::collections::HashSet;

use crate::base::{DropReason, METRIC_NAME};
use crate::ingest::outcome::Reject;
use crate::series::Metadata;

use super::describe::{family, kind, text};
use super::histogram::Room;
use super::labels::put_label;
use super::sink::{ELEMENTS, Sink};
use super::wire::{Fields, WireError};

/// Reads a request.
pub(super) fn read(body: &[u8], sink: &mut Sink<'_>) -> Result<(), RequestError> {
    let symbols = symbols(body)?;
    let mut request = Request { symbols, refs: Vec::new(), labels: Vec::new(), told: HashSet::new() };
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next()? {
        if number == 5 {
            if request.symbols.first().is_none_or(|first| !first.is_empty()) {
                return Err(RequestError::Symbols);
            }
            request.series(value.bytes()?, sink)?;
        }
    }
    Ok(())
}

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the symbols do not begin with the empty text")]
    Symbols,
}

fn symbols(body: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    let mut room = Room::new(ELEMENTS);
    let mut symbols = Vec::new();
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next()? {
        if number == 4 {
            room.take_one()?;
            symbols.push(value.bytes()?);
        }
    }
    Ok(symbols)
}

struct Request<'a> {
    symbols: Vec<&'a [u8]>,
    refs: Vec<u32>,
    labels: Vec<u8>,
    /// What has been said in this request: metric, kind, help, unit.
    told: HashSet<[u32; 4]>,
}

impl Request<'_> {
    fn series(&mut self, message: &[u8], sink: &mut Sink<'_>) -> Result<(), WireError> {
        let known = match self.write_labels(message)? {
            Ok(()) => sink.series(&self.labels)?,
            Err(what) => sink.refuse(Reject::new(DropReason::Invalid, what)),
        };
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                2 => sink.sample(&known, value.bytes()?)?,
                3 => sink.histogram(&known, &self.labels, value.bytes()?)?,
                4 => sink.exemplar(value.bytes()?, |labels| labels.each_varint(|_| Ok(())))?,
                5 => self.metadata(value.bytes()?, sink)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the labels as version 1 has them; the inner error is the series' own.
    fn write_labels(&mut self, message: &[u8]) -> Result<Result<(), &'static str>, WireError> {
        self.refs.clear();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            if number == 1 {
                value.each_varint(|raw| {
                    self.refs.push(raw as u32);
                    Ok(())
                })?;
            }
        }
        self.labels.clear();
        let (pairs, []) = self.refs.as_chunks::<2>() else {
            return Ok(Err("a series has a label without a value: labels_refs is odd"));
        };
        for pair in pairs {
            let [Some(name), Some(value)] = pair.map(|r| self.symbols.get(r as usize)) else {
                return Ok(Err("a series refers to a symbol that is not there"));
            };
            put_label(&mut self.labels, name, value);
        }
        Ok(Ok(()))
    }

    fn metadata(&mut self, message: &[u8], sink: &mut Sink<'_>) -> Result<(), WireError> {
        let (mut number_of_kind, mut help, mut unit) = (0, 0, 0);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => number_of_kind = value.uint32()?,
                3 => help = value.uint32()?,
                4 => unit = value.uint32()?,
                _ => {}
            }
        }
        let is_name = |r: &u32| self.symbols.get(*r as usize).is_some_and(|s| *s == METRIC_NAME.as_bytes());
        let Some([_, metric]) = self.refs.as_chunks::<2>().0.iter().find(|pair| is_name(&pair[0])) else {
            return Ok(());
        };
        let silent = number_of_kind == 0 && help == 0 && unit == 0;
        if !silent && self.told.insert([*metric, number_of_kind, help, unit]) {
            let symbol = |r: u32| text(self.symbols.get(r as usize).copied().unwrap_or_default());
            let kind = kind(u64::from(number_of_kind));
            let metadata = Metadata::new(kind, symbol(help), symbol(unit));
            sink.decoded.metadata.push((family(symbol(*metric), kind).to_owned(), metadata));
        }
        Ok(())
    }
}
