//! What the scanner reads is what another implementation of protobuf wrote, and what that one refuses is refused.

mod histograms;
mod receiver;
pub(crate) mod schema;

use std::collections::BTreeMap;

use prop::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::base::Labels;
use crate::series::{Delta, Metadata, MetricType};
use schema::{v1 as one, v2 as two};

/// What a cache of one test reads.
fn decode(version: Version, body: &[u8]) -> Result<Decoded, RequestError> {
    decode_with(&SeriesCache::new(1_000), version, body)
}

fn decode_with(cache: &SeriesCache, version: Version, body: &[u8]) -> Result<Decoded, RequestError> {
    let mut sink = Sink::new(cache.session(), None, LabelLimits::default());
    match version {
        Version::V1 => v1::read(body, &mut sink)?,
        Version::V2 => v2::read(body, &mut sink)?,
    }
    Ok(sink.end(Timestamp::from_secs(1_000)))
}

/// Items in words, so that NaN equals itself.
fn seen(decoded: &Decoded) -> (Vec<String>, u64, Vec<(DropReason, u64)>) {
    let word = |item: &Item| match &item.delta {
        Delta::Sample(v) => format!("{} {} {:x}", item.labels, item.at.as_millis(), v.to_bits()),
        other => format!("{} {} {other:?}", item.labels, item.at.as_millis()),
    };
    let items = decoded.samples.iter().chain(&decoded.histograms).chain(&decoded.custom);
    (items.map(word).collect(), decoded.exemplars, decoded.refused.by_reason().collect())
}

/// What should come of a request, worked out from its structure and not from its bytes.
fn expected(request: &one::WriteRequest) -> (Vec<String>, u64, u64) {
    let (mut items, mut exemplars, mut refused) = (Vec::new(), 0, 0);
    for series in &request.timeseries {
        exemplars += series.exemplars.len() as u64;
        match labels(series) {
            None => refused += series.samples.len() as u64,
            Some(labels) => {
                items.extend(series.samples.iter().map(|s| format!("{labels} {} {:x}", s.timestamp, s.value.to_bits())))
            }
        }
    }
    (items, exemplars, refused)
}

fn labels(series: &one::TimeSeries) -> Option<Labels> {
    let mut pairs = BTreeMap::new();
    for label in &series.labels {
        let (name, value) = (std::str::from_utf8(&label.name).ok()?, std::str::from_utf8(&label.value).ok()?);
        if name.is_empty() || name.len() > 128 || value.len() > 1024 || pairs.insert(name, value).is_some() {
            return None;
        }
    }
    pairs.get("__name__").filter(|name| !name.is_empty())?;
    Some(Labels::new(pairs))
}

fn any_float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        2 => "\\PC{0,200}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
    ]
}

prop_compose! {
    fn any_series()(
        name in prop_oneof![9 => Just(Some("x_total")), 1 => Just(None)],
        labels in vec((any_text(), any_text()), 0..6),
        samples in vec((any_float(), any::<i64>()), 0..4),
        exemplars in vec((any_float(), any::<i64>(), vec((any_text(), any_text()), 0..2)), 0..2),
    ) -> one::TimeSeries {
        let label = |(name, value): (Vec<u8>, Vec<u8>)| one::Label { name, value };
        let name = name.map(|n| (b"__name__".to_vec(), n.as_bytes().to_vec()));
        let exemplar = |(value, timestamp, labels): (f64, i64, Vec<_>)| {
            one::Exemplar { value, timestamp, labels: labels.into_iter().map(label).collect() }
        };
        one::TimeSeries {
            labels: labels.into_iter().chain(name).map(label).collect(),
            samples: samples.into_iter().map(|(value, timestamp)| schema::Sample { value, timestamp }).collect(),
            exemplars: exemplars.into_iter().map(exemplar).collect(),
            histograms: Vec::new(),
        }
    }
}

fn any_request() -> impl Strategy<Value = one::WriteRequest> {
    vec(any_series(), 0..6).prop_map(|timeseries| one::WriteRequest { timeseries, metadata: Vec::new() })
}

/// A body of either version, histograms included, and how to damage it.
fn any_body() -> impl Strategy<Value = (Version, Vec<u8>)> {
    let with_histograms =
        (any_request(), vec(histograms::any_histogram(), 0..4)).prop_map(|(mut request, histograms)| {
            request.timeseries.push(one::series(&[("__name__", "h")], &[], histograms));
            request
        });
    (with_histograms, any::<bool>()).prop_map(|(request, second)| match second {
        false => (Version::V1, request.encode_to_vec()),
        true => (Version::V2, two::from_v1(&request).encode_to_vec()),
    })
}

/// What prost makes of a body, written again in one canonical way; `None` when it cannot be read.
fn canonical(version: Version, body: &[u8]) -> Option<Vec<u8>> {
    match version {
        Version::V1 => one::WriteRequest::decode(body).ok().map(|r| r.encode_to_vec()),
        Version::V2 => two::Request::decode(body).ok().map(|r| r.encode_to_vec()),
    }
}

proptest! {
    #[test]
    fn reads_what_was_written(request in any_request()) {
        let (items, exemplars, refused) = expected(&request);
        let cache = SeriesCache::new(1_000);
        let second = two::from_v1(&request).encode_to_vec();
        // Twice: from the bytes, and from the cache; and version 2 after version 1.
        for (version, body) in [
            (Version::V1, request.encode_to_vec()),
            (Version::V1, request.encode_to_vec()),
            (Version::V2, second.clone()),
            (Version::V2, second),
        ] {
            let decoded = decode_with(&cache, version, &body).unwrap();
            let (got, got_exemplars, _) = seen(&decoded);
            prop_assert_eq!(&got, &items);
            prop_assert_eq!((got_exemplars, decoded.refused.events()), (exemplars, refused));
            prop_assert_eq!(decoded.received(), items.len() as u64 + exemplars + refused);
        }
    }

    #[test]
    fn accepts_nothing_that_is_not_protobuf(
        (version, mut body) in any_body(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (place, byte) in damage {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len() + 1));
        }
        if let Ok(decoded) = decode(version, &body) {
            let canonical = canonical(version, &body);
            prop_assert!(canonical.is_some(), "accepted what prost refuses");
            let again = decode(version, &canonical.unwrap()).unwrap();
            prop_assert_eq!(seen(&decoded), seen(&again));
        }
    }

    #[test]
    fn rubbish_does_no_harm(body in vec(any::<u8>(), 0..400)) {
        for version in [Version::V1, Version::V2] {
            let accepted = decode(version, &body).is_ok();
            prop_assert!(!accepted || canonical(version, &body).is_some());
        }
    }

    /// What prost reads, we read: only what we do not know at all (groups) may be refused.
    #[test]
    fn refuses_nothing_that_was_written((version, body) in any_body()) {
        prop_assert!(decode(version, &body).is_ok());
    }
}

#[test]
fn labels_may_come_after_the_samples() {
    let whole = one::series(&[("__name__", "x"), ("a", "1")], &[(5.0, 7)], Vec::new());
    let name = one::TimeSeries { labels: vec![whole.labels[0].clone()], ..Default::default() };
    let sample = one::TimeSeries { samples: whole.samples.clone(), ..Default::default() };
    let label = one::TimeSeries { labels: vec![whole.labels[1].clone()], ..Default::default() };
    let series: Vec<u8> = [name, sample, label].iter().flat_map(|part| part.encode_to_vec()).collect();
    let mut body = Vec::new();
    wire::put_bytes(&mut body, 1, &series);
    assert_eq!(seen(&decode(Version::V1, &body).unwrap()).0, [r#"x{a="1"} 7 4014000000000000"#]);
}

#[test]
fn version_2_needs_symbols_that_are_there() {
    let request = two::from_v1(&one::WriteRequest {
        timeseries: vec![one::series(&[("__name__", "x"), ("a", "1")], &[(5.0, 7)], Vec::new())],
        metadata: Vec::new(),
    });
    let with = |change: fn(&mut two::Request)| {
        let mut request = request.clone();
        change(&mut request);
        decode(Version::V2, &request.encode_to_vec())
    };
    assert_eq!(with(|r| r.symbols[0] = b"x".to_vec()).unwrap_err(), RequestError::Symbols);
    for bad in [with(|r| r.timeseries[0].labels_refs[1] = 99), with(|r| r.timeseries[0].labels_refs.truncate(3))] {
        let decoded = bad.unwrap();
        assert_eq!((decoded.samples.len(), decoded.refused.by_reason().collect()), (0, vec![(DropReason::Invalid, 1)]));
    }
    // A message of one version is empty to the other: their fields do not meet.
    assert_eq!(decode(Version::V1, &request.encode_to_vec()).unwrap().received(), 0);
}

#[test]
fn tells_what_is_said_of_metrics() {
    let told = one::MetricMetadata {
        kind: 1,
        metric_family_name: b"x_total".to_vec(),
        help: b"How many.".to_vec(),
        unit: b"".to_vec(),
    };
    let request = one::WriteRequest { timeseries: Vec::new(), metadata: vec![told] };
    let decoded = decode(Version::V1, &request.encode_to_vec()).unwrap();
    assert_eq!(decoded.metadata, [("x_total".to_owned(), Metadata::new(MetricType::Counter, "How many.", ""))]);

    let mut second = two::Request::default();
    let refs = ["__name__", "x_seconds_bucket", "le", "1"].map(|text| second.symbol(text.as_bytes())).to_vec();
    let (help_ref, unit_ref) = (second.symbol(b"How long."), second.symbol(b"seconds"));
    let metadata = Some(two::Metadata { kind: 3, help_ref, unit_ref });
    let series = two::TimeSeries { labels_refs: refs, metadata, ..Default::default() };
    second.timeseries = vec![series.clone(), series];
    let decoded = decode(Version::V2, &second.encode_to_vec()).unwrap();
    let expected = Metadata::new(MetricType::Histogram, "How long.", "seconds");
    assert_eq!(decoded.metadata, [("x_seconds".to_owned(), expected)]);
}

#[test]
fn a_small_body_does_not_become_large() {
    // An empty sample is two bytes.
    let mut series = Vec::new();
    labels::put_label(&mut series, b"__name__", b"x");
    series.extend([0x12, 0].repeat(sink::ELEMENTS + 1));
    let mut body = Vec::new();
    wire::put_bytes(&mut body, 1, &series);
    let refused = decode(Version::V1, &body).unwrap_err();
    assert_eq!(refused, RequestError::Wire(WireError::TooMany { limit: sink::ELEMENTS }));
}
