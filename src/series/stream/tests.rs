use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What happens to a stream: a sample at this second, or everything up to it closes, or a page is made.
#[derive(Debug, Clone)]
enum Step {
    Insert(i64, f64),
    Close(i64),
    Page,
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![(0u32..1000).prop_map(f64::from), any::<f64>(), Just(0.1), Just(-0.0)];
    prop_oneof![
        8 => (0i64..40_000, value).prop_map(|(at, v)| Step::Insert(at, v)),
        2 => (0i64..40).prop_map(Step::Close),
        1 => Just(Step::Page),
    ]
}

proptest! {
    /// Against a sorted map; and what the ticks took, put together again, is what is closed.
    #[test]
    fn samples_are_a_map_of_times(steps in prop::collection::vec(step(), 0..80)) {
        let (mut stream, mut copy) = (Samples::default(), Samples::default());
        let (mut closed, mut open) = (BTreeMap::new(), BTreeMap::<i64, u64>::new());
        let mut floor = i64::MIN;
        for step in steps {
            match step {
                Step::Insert(at, value) if at > floor => {
                    stream.insert(Timestamp::from_millis(at), value);
                    open.insert(at, value.to_bits());
                }
                Step::Insert(..) => {}
                Step::Close(slot) => {
                    if let Some((slice, last)) = stream.close(Slot::new(slot / 10)) {
                        prop_assert!(copy.append_closed(slice).unwrap());
                        floor = last.as_millis();
                    }
                    let rest = open.split_off(&(Slot::new(slot / 10).end().as_millis() + 1));
                    closed.append(&mut std::mem::replace(&mut open, rest));
                }
                Step::Page => {
                    stream.drop_closed();
                    (copy, closed) = (Samples::default(), BTreeMap::new());
                }
            }
        }
        let bits = |s: Result<(Timestamp, f64), Corrupt>| s.map(|(t, v)| (t.as_millis(), v.to_bits())).unwrap();
        prop_assert_eq!(stream.closed().map(bits).collect::<BTreeMap<_, _>>(), closed.clone());
        prop_assert_eq!(stream.open().map(bits).collect::<BTreeMap<_, _>>(), open);
        prop_assert_eq!(copy.iter().map(bits).collect::<BTreeMap<_, _>>(), closed);
    }
}

#[test]
fn what_misses_something_before_it_is_not_appended() {
    let mut stream = Samples::default();
    let mut copy = Samples::default();
    for second in 1..4 {
        stream.insert(Timestamp::from_secs(10 * second), second as f64);
        let (slice, _) = stream.close(Slot::new(second - 1)).unwrap();
        assert_eq!(copy.append_closed(slice), Ok(second == 1));
        if second == 1 {
            copy = copy.clone();
            stream.insert(Timestamp::from_secs(15), 1.5);
            stream.close(Slot::new(1));
        }
    }
    assert_eq!(copy.iter().count(), 1);
}
