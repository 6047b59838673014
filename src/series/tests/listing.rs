//! Which series and labels there are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::{MatchOp, Matcher};
use crate::promql::{Selection, Source};

fn item() -> impl Strategy<Value = (Labels, u8)> {
    let pairs = prop::collection::vec(("[ab]|le", "[xy]|0.5"), 0..3);
    let labels = ("m|n|m_count", pairs, 0..3u8);
    labels.prop_map(|(name, pairs, kind)| {
        let labels = Labels::metric(&name, pairs);
        (if kind == 1 { labels.without(&["le"]) } else { labels }, kind)
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    let value = "[xy]?|0.5|m|m_count|m_bucket|\\.\\+|\\.\\*|\\+Inf|m\\.\\*|x\\|y";
    let of = ("[ab]|le|__name__", op, value);
    of.prop_filter_map("a pattern", |(name, op, value)| Matcher::new(name, op, value).ok())
}

fn delta(kind: u8) -> Delta {
    match kind {
        0 => Delta::Add(1.0),
        1 => Delta::Observe(vec![Observation { value: 0.3, weight: 1 }]),
        _ => Delta::Sample(1.0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is listed without reading a sample is what the samples have.
    #[test]
    fn lists_what_a_read_of_the_samples_finds(
        items in prop::collection::vec(item(), 0..12),
        matchers in prop::collection::vec(matcher(), 0..3),
    ) {
        futures::executor::block_on(async {
            let (mut rig, ..) = Rig::memory().await;
            rig.advance(5);
            let now = rig.now();
            rig.record(batch(items.iter().map(|(l, k)| Item { labels: l.clone(), at: now, delta: delta(*k) }).collect::<Vec<_>>()));
            let selection = Selection { matchers, start: START - TICK, end: now };
            let read: BTreeSet<Labels> = rig.view.select(&selection).await.unwrap().into_iter().map(|s| s.labels).collect();
            let listed: BTreeSet<Labels> = rig.view.series(&selection).await.unwrap().into_iter().collect();
            prop_assert_eq!(&listed, &read);
            let names: BTreeSet<String> = read.iter().flat_map(Labels::iter).map(|(n, _)| n.to_owned()).collect();
            prop_assert_eq!(rig.view.label_names(&selection).await.unwrap(), names);
            for name in ["__name__", "a", "le", "none"] {
                let values: BTreeSet<String> = read.iter().filter_map(|l| l.get(name)).map(str::to_owned).collect();
                prop_assert_eq!(rig.view.label_values(name, &selection).await.unwrap(), values, "{}", name);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn lists_what_lived_in_the_range() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([sample("early", rig.now(), 1.0), add("counted", rig.now(), 1.0)]));
    rig.advance(100);
    rig.record(batch([sample("late", rig.now(), 1.0)]));
    let names = async |start: u64, end: u64| {
        let (start, end) = (START + Duration::from_secs(start), START + Duration::from_secs(end));
        rig.view.label_values("__name__", &Selection { matchers: Vec::new(), start, end }).await.unwrap()
    };
    assert!(names(0, 105).await.iter().eq(["counted", "early", "late"]));
    // What we count holds its value; what is sent to us ends with its last sample.
    assert!(names(5, 90).await.iter().eq(["counted"]));
    assert!(names(50, 105).await.iter().eq(["counted", "late"]));
}

#[tokio::test]
async fn stats_count_pairs_and_bytes() {
    let (mut rig, ..) = Rig::memory().await;
    let of = |metric: &str, job: &str, delta| Item { labels: Labels::metric(metric, [("job", job)]), at: START, delta };
    rig.record(batch([of("m", "ab", delta(0)), of("m", "c", delta(0)), of("h", "ab", delta(1))]));
    let stats = rig.view.stats(1);
    assert_eq!((stats.series, stats.label_pairs), (3, 4));
    assert_eq!(stats.by_metric, [("m".to_owned(), 2)]);
    assert_eq!(stats.by_label, [("__name__".to_owned(), 2)]);
    assert_eq!(stats.memory_by_label, [("job".to_owned(), 5)]);
    assert_eq!(stats.by_pair, [("__name__=m".to_owned(), 2)]);
}
