//! `prometheus.WriteRequest`, the message of remote write 1.0.
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
//! TimeSeries { repeated Label labels = 1; repeated Sample samples = 2;
//!              repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
//! Label { string name = 1; string value = 2; }    Sample { double value = 1; int64 timestamp = 2; }
//! MetricMetadata { MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }
//! ```
//! (`prompb/remote.proto` and `prompb/types.proto` of Prometheus.) Senders write the labels first, so the bytes
//! before the first sample are what a series is known by; labels that come later are brought together first.

use crate::series::Metadata;

use super::describe::{kind, text};
use super::labels::pair;
use super::sink::Sink;
use super::wire::{Fields, WireError, put_bytes};

/// Reads a request.
pub(super) fn read(body: &[u8], sink: &mut Sink<'_>) -> Result<(), WireError> {
    let mut fields = Fields::new(body);
    let mut gathered = Vec::new();
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => series(value.bytes()?, &mut gathered, sink)?,
            3 => metadata(value.bytes()?, sink)?,
            _ => {}
        }
    }
    Ok(())
}

fn series(message: &[u8], gathered: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), WireError> {
    let (labels, rest) = split(message, gathered)?;
    let known = sink.series(labels)?;
    let mut fields = Fields::new(rest);
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => sink.sample(&known, value.bytes()?)?,
            3 => sink.exemplar(value.bytes()?, |label| pair(label.bytes()?).map(|_| ()))?,
            4 => sink.histogram(&known, labels, value.bytes()?)?,
            _ => {}
        }
    }
    Ok(())
}

/// The label fields, and where the others are.
fn split<'a>(message: &'a [u8], gathered: &'a mut Vec<u8>) -> Result<(&'a [u8], &'a [u8]), WireError> {
    let mut fields = Fields::new(message);
    let (mut end, mut place, mut apart) = (0, 0, false);
    while let Some((number, value)) = fields.next()? {
        let after = message.len() - fields.left();
        if number == 1 {
            value.bytes()?;
            apart |= place != end;
            end = after;
        }
        place = after;
    }
    if !apart {
        return Ok(message.split_at(end));
    }
    gathered.clear();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            put_bytes(gathered, 1, value.bytes()?);
        }
    }
    Ok((gathered, message))
}

fn metadata(message: &[u8], sink: &mut Sink<'_>) -> Result<(), WireError> {
    let (mut number_of_kind, mut family, mut help, mut unit) = (0, &[][..], &[][..], &[][..]);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => number_of_kind = value.varint()?,
            2 => family = value.bytes()?,
            4 => help = value.bytes()?,
            5 => unit = value.bytes()?,
            _ => {}
        }
    }
    let metadata = Metadata::new(kind(number_of_kind), text(help), text(unit));
    sink.decoded.metadata.push((text(family).to_owned(), metadata));
    Ok(())
}
