//! How many messages a body holds, counted before any is built.
//!
//! An empty message takes two bytes on the wire and some hundred in memory, so a body within its limit of
//! bytes could still ask for much of the machine. This walks the wire form along the fields that hold
//! messages, builds nothing, and stops at the limit.
//!
//! Source: the encoding of Protocol Buffers, and `opentelemetry/proto` version 1.

/// A message, as far as it holds others: `(number of the field, what is in it)`.
pub(super) struct Shape(&'static [(u64, &'static Shape)]);

static LEAF: Shape = Shape(&[]);
static VALUE: Shape = Shape(&[(5, &LIST), (6, &LIST_OF_PAIRS)]);
static LIST: Shape = Shape(&[(1, &VALUE)]);
static LIST_OF_PAIRS: Shape = Shape(&[(1, &PAIR)]);
static PAIR: Shape = Shape(&[(2, &VALUE)]);
static RESOURCE: Shape = Shape(&[(1, &PAIR), (3, &LEAF)]);
static SCOPE: Shape = Shape(&[(3, &PAIR)]);
static EXEMPLAR: Shape = Shape(&[(7, &PAIR)]);
static NUMBER: Shape = Shape(&[(7, &PAIR), (5, &EXEMPLAR)]);
static HISTOGRAM: Shape = Shape(&[(9, &PAIR), (8, &EXEMPLAR)]);
static EXPONENTIAL: Shape = Shape(&[(1, &PAIR), (11, &EXEMPLAR), (8, &LEAF), (9, &LEAF)]);
static SUMMARY: Shape = Shape(&[(7, &PAIR), (6, &LEAF)]);
static NUMBERS: Shape = Shape(&[(1, &NUMBER)]);
static HISTOGRAMS: Shape = Shape(&[(1, &HISTOGRAM)]);
static EXPONENTIALS: Shape = Shape(&[(1, &EXPONENTIAL)]);
static SUMMARIES: Shape = Shape(&[(1, &SUMMARY)]);
static METRIC: Shape =
    Shape(&[(5, &NUMBERS), (7, &NUMBERS), (9, &HISTOGRAMS), (10, &EXPONENTIALS), (11, &SUMMARIES), (12, &PAIR)]);
static SCOPE_METRICS: Shape = Shape(&[(1, &SCOPE), (2, &METRIC)]);
static RESOURCE_METRICS: Shape = Shape(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static EVENT: Shape = Shape(&[(3, &PAIR)]);
static LINK: Shape = Shape(&[(4, &PAIR)]);
static SPAN: Shape = Shape(&[(9, &PAIR), (11, &EVENT), (13, &LINK), (15, &LEAF)]);
static SCOPE_SPANS: Shape = Shape(&[(1, &SCOPE), (2, &SPAN)]);
static RESOURCE_SPANS: Shape = Shape(&[(1, &RESOURCE), (2, &SCOPE_SPANS)]);
static LOG: Shape = Shape(&[(5, &VALUE), (6, &PAIR)]);
static SCOPE_LOGS: Shape = Shape(&[(1, &SCOPE), (2, &LOG)]);
static RESOURCE_LOGS: Shape = Shape(&[(1, &RESOURCE), (2, &SCOPE_LOGS)]);

/// `ExportMetricsServiceRequest`
pub(super) static METRICS: Shape = Shape(&[(1, &RESOURCE_METRICS)]);
/// `ExportTraceServiceRequest`
pub(super) static TRACES: Shape = Shape(&[(1, &RESOURCE_SPANS)]);
/// `ExportLogsServiceRequest`
pub(super) static LOGS: Shape = Shape(&[(1, &RESOURCE_LOGS)]);

/// Values inside values, at most; the decoder's own limit is of this order.
const DEPTH: u32 = 100;

/// Whether `body` holds at most `most` messages. What is no Protocol Buffers at all is left to the decoder.
pub(super) fn is_within(body: &[u8], shape: &Shape, most: usize) -> bool {
    let mut left = most;
    count(body, shape, &mut left, DEPTH).is_some()
}

/// Takes the messages of `wire` from what is left; `None` when there are more.
fn count(mut wire: &[u8], shape: &Shape, left: &mut usize, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    while let Some((field, content, rest)) = next(wire) {
        wire = rest;
        let Some((_, inner)) = shape.0.iter().find(|(number, _)| *number == field) else { continue };
        if let Some(content) = content {
            *left = left.checked_sub(1)?;
            count(content, inner, left, depth)?;
        }
    }
    Some(())
}

type Field<'a> = (u64, Option<&'a [u8]>, &'a [u8]);

/// A field's number, its content when its length is given, and what follows; `None` at the end and where
/// the wire form ends.
fn next(wire: &[u8]) -> Option<Field<'_>> {
    let (tag, rest) = varint(wire)?;
    let (content, rest) = match tag & 7 {
        0 => (None, varint(rest)?.1),
        1 => (None, rest.get(8..)?),
        2 => {
            let (length, rest) = varint(rest)?;
            let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(content), rest)
        }
        5 => (None, rest.get(4..)?),
        _ => return None,
    };
    Some((tag >> 3, content, rest))
}

fn varint(wire: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in wire.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i).min(63);
        if byte & 0x80 == 0 {
            return Some((value, &wire[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use prost::Message;

    use super::*;

    /// The specification's own example.
    const EXAMPLE: &str = include_str!("../../../tests/golden/otlp/metrics.json");

    #[test]
    fn messages_are_counted_where_they_are() {
        let request: ExportMetricsServiceRequest = serde_json::from_str(EXAMPLE).unwrap();
        let body = request.encode_to_vec();
        // One of each resource, scope and their lists; attributes as pair and value; four metrics with one
        // point each, one of which has one set of buckets.
        let most = 1 + (1 + 2) + 1 + (1 + 2) + 4 * (1 + 1 + 1 + 2) + 1;
        // Values have no messages inside here, so a pair is two only where its value is a list.
        let plain_values = 6;
        let exact = (0..100).find(|most| is_within(&body, &METRICS, *most)).unwrap();
        assert_eq!(exact, most, "with {plain_values} plain values");
    }

    #[test]
    fn many_in_few_bytes_are_refused_without_building_them() {
        // A list of a resource's metrics with a million empty ones.
        let empty = [0x12u8, 0].repeat(1_000_000);
        let wrap = |field: u8, inner: &[u8]| {
            let mut out = vec![field << 3 | 2];
            prost::encoding::encode_varint(inner.len() as u64, &mut out);
            [out.as_slice(), inner].concat()
        };
        let body = wrap(1, &wrap(2, &empty));
        assert!(body.len() < 2_100_000);
        assert!(!is_within(&body, &METRICS, 500_000) && is_within(&body, &METRICS, 1_000_002));
    }

    #[test]
    fn rubbish_and_endless_nesting_do_no_harm() {
        for rubbish in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0a\xff", b"\x0b"] {
            assert!(is_within(rubbish, &METRICS, 10));
        }
        let mut value = vec![];
        for _ in 0..500 {
            let mut outer = vec![];
            for field in [1u8, 5] {
                let inner: &[u8] = if field == 1 { &value } else { &outer };
                let mut wrapped = vec![field << 3 | 2];
                prost::encoding::encode_varint(inner.len() as u64, &mut wrapped);
                wrapped.extend_from_slice(inner);
                outer = wrapped;
            }
            value = outer;
        }
        assert!(!is_within(&value, &VALUE, 100_000));
    }
}
