use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn sorts_drops_empty_and_keeps_the_last() {
    let labels = Labels::new([("b", "1"), ("a", "x"), ("c", ""), ("a", "y")]);
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "y"), ("b", "1")]);
    assert_eq!(labels.value("c"), "");
}

#[test]
fn prints_as_prometheus_does() {
    let labels = Labels::metric("up", [("job", "a\"b")]);
    assert_eq!(labels.to_string(), r#"up{job="a\"b"}"#);
    assert_eq!(Labels::metric("up", [("", "")]).to_string(), "up");
    assert_eq!(Labels::default().to_string(), "{}");
}

#[test]
fn knows_names() {
    assert!(is_metric_name("slo:good_total") && is_label_name("_x1"));
    assert!(!is_metric_name("1x") && !is_label_name("a:b") && !is_label_name(""));
}

#[test]
fn a_typical_set_is_small() {
    let labels = Labels::metric(
        "http_server_request_duration_seconds",
        [
            ("service_name", "shop-api"),
            ("http_route", "/products/:id"),
            ("http_request_method", "GET"),
            ("http_response_status_code", "200"),
            ("region", "eu-west-1"),
        ],
    );
    let text: usize = labels.iter().map(|(n, v)| n.len() + v.len()).sum();
    assert!((140..=160).contains(&text), "{text}");
    assert!(labels.memory_bytes() < 220, "{}", labels.memory_bytes());
}

/// What is done to a set.
#[derive(Debug, Clone)]
enum Step {
    Set(String, String),
    Remove(String),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab_A]{0,2}", 1 => "\\PC{0,6}", 1 => "[x\u{0}\u{7f}@é]{50,80}"]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (text(), text()).prop_map(|(n, v)| Step::Set(n, v)),
        1 => text().prop_map(Step::Remove)
    ];
    prop::collection::vec(step, 0..12)
}

type Model = BTreeMap<String, String>;

/// The same steps on the set and on a map.
fn run(steps: &[Step]) -> (Labels, Model) {
    let (mut builder, mut model) = (LabelsBuilder::default(), Model::new());
    for step in steps {
        match step {
            Step::Set(name, value) => {
                builder.set(name, value);
                model.insert(name.clone(), value.clone());
            }
            Step::Remove(name) => {
                builder.remove(name);
                model.remove(name);
            }
        }
    }
    model.retain(|_, value| !value.is_empty());
    (builder.build(), model)
}

fn pairs(model: &Model) -> Vec<(&str, &str)> {
    model.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

fn hash(labels: &Labels) -> u64 {
    foldhash::quality::FixedState::with_seed(1).hash_one(labels)
}

proptest! {
    #[test]
    fn is_the_map_of_its_pairs(steps in steps(), name in text(), value in text()) {
        let (labels, model) = run(&steps);
        prop_assert_eq!(labels.iter().collect::<Vec<_>>(), pairs(&model));
        prop_assert_eq!((labels.len(), labels.is_empty()), (model.len(), model.is_empty()));
        for (n, v) in &model {
            prop_assert_eq!(labels.get(n), Some(v.as_str()));
        }
        prop_assert_eq!(labels.get(&name), model.get(&name).map(String::as_str));
        prop_assert_eq!(&labels, &Labels::new(&model));
        prop_assert_eq!(&labels, &labels.to_builder().build());

        let json = serde_json::to_string(&labels).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&model).unwrap());
        prop_assert_eq!(&labels, &serde_json::from_str::<Labels>(&json).unwrap());

        let without: Vec<_> = pairs(&model).into_iter().filter(|(n, _)| *n != name).collect();
        prop_assert_eq!(labels.without(&[&name]), Labels::new(without));
        prop_assert_eq!(labels.only(&[&name]), Labels::new(model.get(&name).map(|v| (&name, v))));
        let mut with = model.clone();
        with.insert(name.clone(), value.clone());
        prop_assert_eq!(labels.with(&name, &value), Labels::new(with));
    }

    #[test]
    fn compares_and_hashes_as_its_pairs(a in steps(), b in steps()) {
        let ((a, a_model), (b, b_model)) = (run(&a), run(&b));
        prop_assert_eq!(a.cmp(&b), pairs(&a_model).cmp(&pairs(&b_model)));
        prop_assert_eq!(a == b, a_model == b_model);
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
        }
        let map: LabelMap<u8> = [(a.clone(), 1), (b.clone(), 2)].into_iter().collect();
        prop_assert_eq!(map.get(&Labels::new(&b_model)), Some(&2));
        prop_assert_eq!(map.len(), if a == b { 1 } else { 2 });
    }
}
