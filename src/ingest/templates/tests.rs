use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::base::clock::BoxFuture;
use crate::base::{DropReason, Timestamp};
use crate::ingest::gather::{Change, Gather, SeriesCache};
use crate::ingest::routes::RouteLimit;
use crate::ingest::tally::EndpointCounts;
use crate::ingest::{Endpoint, Intake, Sender, Settings, timings};
use crate::series::{Batch, Delta, RecordError, Recorded, Recorder, Slot};

const NOW: Timestamp = Timestamp::from_secs(1_763_680_003);

#[derive(Default)]
struct Fake(Mutex<Vec<Batch>>);

impl Recorder for Fake {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        self.0.lock().push(batch);
        Box::pin(async { Ok(Recorded::default()) })
    }
}

/// What a body comes to: each event with its series and slot, and the numbers of the refused lines.
#[derive(Debug, PartialEq)]
struct Meaning {
    events: Vec<String>,
    refused: Vec<(usize, DropReason)>,
}

fn written(labels: &Labels, at: Timestamp, change: &str) -> String {
    format!("{labels} {} {change}", Slot::of(at).index())
}

/// The long way: serde_json, every check, no memory of earlier lines.
fn long_way(body: &str, service: Option<&str>) -> Meaning {
    let mut meaning = Meaning { events: Vec::new(), refused: Vec::new() };
    for (line, timing) in timings::decode(body.as_bytes()) {
        match timing.and_then(|t| timings::event(t, &Settings::default(), NOW)) {
            Ok(mut event) => {
                if let Some(service) = service {
                    event.service = service.into();
                }
                let (cache, limit) = (SeriesCache::new(1), RouteLimit::new(500));
                let labels = Gather::new(&cache, &limit).labels(&event);
                let change = match event.change {
                    Change::Observe(v) => format!("{v:?}"),
                    Change::ObserveMany { value, weight } => format!("{value:?} × {weight}"),
                    Change::Add(v) => format!("add {v:?}"),
                    Change::Sample(v) => format!("is {v:?}"),
                };
                meaning.events.push(written(&labels, event.at, &change));
            }
            Err(reject) => meaning.refused.push((line, reject.reason)),
        }
    }
    meaning.events.sort();
    meaning
}

struct World {
    intake: Intake,
    fake: Arc<Fake>,
}

impl World {
    fn new() -> Self {
        let fake = Arc::new(Fake::default());
        Self { intake: Intake::new(Settings::default(), fake.clone()), fake }
    }

    fn counts(&self) -> EndpointCounts {
        self.intake.tally().count(Endpoint::Timings)
    }

    /// The way that bodies take, which learns on it.
    fn send(&self, body: &str, service: Option<&str>) -> Meaning {
        let sender = Sender { service, ..Sender::default() };
        let before = self.counts();
        let outcome = futures::executor::block_on(async {
            self.intake.timings(body.as_bytes(), &sender, NOW).await.record().await
        })
        .unwrap();
        let mut events = Vec::new();
        for item in self.fake.0.lock().drain(..).flat_map(|b| b.items) {
            match item.delta {
                Delta::Observe(values) => {
                    events.extend(values.iter().map(|o| written(&item.labels, item.at, &format!("{:?}", o.value))));
                }
                Delta::Add(v) => events.push(written(&item.labels, item.at, &format!("add {v:?}"))),
                Delta::Sample(v) => events.push(written(&item.labels, item.at, &format!("is {v:?}"))),
                Delta::Distribution(_) => unreachable!("no timing is one"),
            }
        }
        events.sort();
        let after = self.counts();
        assert_eq!(after.accepted - before.accepted, events.len() as u64);
        let refused = outcome.rejected.iter().map(|e| (e.line, e.reason)).collect::<Vec<_>>();
        assert_eq!(after.received - before.received, (events.len() + refused.len()) as u64);
        Meaning { events, refused }
    }

    fn known(&self) -> usize {
        self.intake.templates().known.read().series.len()
    }
}

#[test]
fn a_line_is_learnt_when_it_comes_again() {
    let world = World::new();
    let line = |n: &str| format!(r#"{{"kind":"http","service":"a","route":"/x","status":200,"duration_ms":{n}}}"#);
    for (n, known) in [("1.5", 0), ("2.25", 1), ("3", 1), ("0.001", 1)] {
        assert_eq!(world.send(&line(n), None), long_way(&line(n), None));
        assert_eq!(world.known(), known);
    }
    world.send(&line("1"), Some("b"));
    assert_eq!(world.send(&line("1"), Some("b")), long_way(&line("1"), Some("b")), "a key's service is part of it");
    assert_eq!(world.known(), 2);
    // Known, and yet refused for its numbers.
    for bad in ["86400001", "-1", "1e99", "\"1\"", "null", "01", "1.", ".5", "1.5.5"] {
        assert_eq!(world.send(&line(bad), None), long_way(&line(bad), None), "{bad}");
    }
}

#[test]
fn what_only_looks_like_the_field_is_not_learnt() {
    let world = World::new();
    for line in [
        r#"{"kind":"http","extra":{"duration_ms":5},"duration_ms":7}"#,
        r#"{"kind":"http","x\"duration_ms":5,"duration_ms":7}"#,
        r#"{"kind":"http","duration_ms":7,"duration_ms":7}"#,
        r#"{"kind":"http","duration_ms":7,"t\u0073":1763680001}"#,
        r#"{"kind":"http","duration_ms":7,"extra":{"ts":1763680001}}"#,
        r#"{"kind":"http","duration_ms":7,"extra":{"ts":1763680001},"ts":1763679999}"#,
        r#"{"kind":"gauge","name":"g","labels":{"duration_ms":5},"value":1}"#,
        r#"{"kind":"gauge","name":"g","duration_ms":5,"value":1}"#,
        r#"{"kind":"counter","name":"g","duration_ms":5}"#,
    ] {
        for _ in 0..3 {
            assert_eq!(world.send(line, None), long_way(line, None), "{line}");
        }
    }
    assert_eq!(world.known(), 0);
}

#[test]
fn lines_that_never_repeat_leave_the_table_alone() {
    let world = World::new();
    for n in 0..10_000 {
        world.send(&format!(r#"{{"kind":"http","duration_ms":1,"trace":"{n}"}}"#), None);
    }
    assert_eq!(world.known(), 0);
}

/// A number as JSON has it, and some that JSON has not.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0u64..100_000, 0u32..10_000).prop_map(|(w, f)| format!("{w}.{f}")),
        4 => (0u64..90_000_000).prop_map(|n| n.to_string()),
        2 => "[0-9]{1,18}(\\.[0-9]{1,18})?",
        2 => any::<f64>().prop_map(|v| v.to_string()),
        1 => "-?[0-9]{1,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?",
        1 => prop::sample::select(vec!["1763680001", "1763679990.25", "1763680001.0000001", "0", "-0", "00", "1.", "+1", "null", "true", "\"1\"", "NaN", "{}"])
            .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["http", "db", "cache", "operation", "gauge", "counter", "GET", "/a/1?x", "hit", "a"]).prop_map(str::to_owned),
        1 => "\\PC{0,8}".prop_map(|s| s.replace(['"', '\\'], "")),
        1 => prop::sample::select(vec![r#"\"duration_ms\":5"#, r"\u00e4\n", r#"\"ts\":1,"#, "\\", "\u{1}", r"\ud800", "},{", "]"]).prop_map(str::to_owned),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(vec![
            "service", "route", "path", "method", "region", "operation", "system", "statement", "layer", "outcome", "name", "extra",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec![r#"x\"duration_ms"#, r"duration\u005fms", r"t\u0073", "ts "]).prop_map(str::to_owned),
    ]
}

fn field() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "  ", "\t"]);
    prop_oneof![
        8 => (key(), space(), text()).prop_map(|(k, s, v)| format!("\"{k}\":{s}\"{v}\"")),
        2 => (0u32..700).prop_map(|n| format!("\"status\":{n}")),
        2 => (space(), space(), number()).prop_map(|(a, b, n)| format!("\"ts\"{a}:{b}{n}")),
        1 => (space(), number()).prop_map(|(s, n)| format!("\"duration_ms\":{s}{n}")),
        1 => (number(), number()).prop_map(|(a, b)| format!("\"labels\":{{\"duration_ms\":{a},\"ts\":{b}}}")),
        1 => (number(), number()).prop_map(|(a, b)| format!("\"extra\":{{\"duration_ms\":{a},\"ts\":[{b}]}}")),
        1 => number().prop_map(|n| format!("\"value\":{n},\"error\":true")),
    ]
}

/// A line with two places for a duration, at least one of which is there.
fn line() -> impl Strategy<Value = (String, String)> {
    let kind = prop::sample::select(vec!["http", "http", "http", "db", "cache", "operation", "gauge", "counter"]);
    let some = || prop::collection::vec(field(), 0..4);
    (kind, some(), some()).prop_map(|(kind, before, after)| {
        let head =
            [vec![format!("\"kind\":\"{kind}\"")], before, vec!["\"duration_ms\":".to_owned()]].concat().join(",");
        let tail: String = after.iter().map(|f| format!(",{f}")).collect();
        (format!("{{{head}"), format!("{tail}}}"))
    })
}

proptest! {
    #[test]
    fn the_short_way_comes_to_the_same(
        lines in prop::collection::vec((line(), prop::collection::vec(number(), 4)), 1..4),
        service in prop::option::of(Just("of-the-key")),
        array in any::<bool>(),
    ) {
        let world = World::new();
        for round in 0..4 {
            let all: Vec<String> = lines.iter().map(|((head, tail), n)| format!("{head}{}{tail}", n[round])).collect();
            let body = if array { format!("[{}]", all.join(" ,\n")) } else { all.join("\n") };
            prop_assert_eq!(world.send(&body, service), long_way(&body, service), "{}", body);
        }
    }

    #[test]
    fn plain_numbers_are_read_as_serde_json_reads_them(text in number()) {
        let long = format!("{text},");
        if let Some((value, length)) = plain_number(long.as_bytes()) {
            prop_assert_eq!(length, text.len(), "{}", text);
            prop_assert_eq!(serde_json::from_str::<f64>(&text).map(f64::to_bits).unwrap(), value.to_bits(), "{}", text);
        }
    }
}
