use proptest::prelude::*;

use super::*;
use crate::base::MatchOp;

fn index(sets: &[(Labels, SeriesKind)]) -> Index {
    let mut index = Index::default();
    sets.iter().enumerate().for_each(|(i, (labels, kind))| index.insert(&[(i as SeriesRef, labels, *kind)]));
    index
}

fn select(index: &Index, sets: &[(Labels, SeriesKind)], matchers: &[Matcher]) -> Vec<(SeriesRef, Forms)> {
    let found = index.select(matchers, &|r| sets.get(r as usize).map(|(labels, _)| labels));
    let each = found.into_iter().flat_map(|(forms, series)| series.into_iter().map(move |r| (r, forms.clone())));
    let mut each: Vec<_> = each.collect();
    each.sort_by_key(|(r, _)| *r);
    each
}

fn refs(index: &Index, sets: &[(Labels, SeriesKind)], matchers: &[Matcher]) -> Vec<SeriesRef> {
    select(index, sets, matchers).into_iter().map(|(r, _)| r).collect()
}

fn regex(name: &str, pattern: &str) -> Matcher {
    Matcher::new(name, MatchOp::Regex, pattern).unwrap()
}

#[test]
fn finds_what_matches() {
    let mut sets = vec![
        (Labels::metric("x", [("code", "200"), ("route", "/a")]), SeriesKind::Histogram),
        (Labels::metric("x", [("code", "503")]), SeriesKind::Histogram),
        (Labels::metric("y_count", [("code", "200")]), SeriesKind::Sample),
    ];
    let mut index = index(&sets);
    let find = |matchers: &[Matcher]| refs(&index, &sets, matchers);
    assert_eq!(find(&[Matcher::equal("__name__", "x_bucket")]), [0, 1]);
    assert_eq!(find(&[Matcher::equal("__name__", "y_count")]), [2]);
    assert_eq!(find(&[regex("__name__", ".*_count")]), [0, 1, 2]);
    assert_eq!(find(&[Matcher::equal("__name__", "x"), regex("code", "5..")]), [1]);
    assert_eq!(find(&[regex("code", "5..|")]), [1]);
    assert_eq!(find(&[Matcher::equal("route", "")]), [1, 2]);
    assert_eq!(find(&[Matcher::equal("none", "x")]), [0u32; 0]);
    let gone = (1, &sets[1].0, sets[1].1);
    index.remove(&[gone]);
    sets[1].0 = Labels::default();
    assert_eq!(refs(&index, &sets, &[Matcher::equal("__name__", "x")]), [0]);
    assert_eq!(refs(&index, &sets, &[Matcher::equal("code", "503")]), [0u32; 0]);
    assert_eq!(index.postings()[1].values("code").map(|(v, _)| v).collect::<Vec<_>>(), ["200"]);
}

fn kind() -> impl Strategy<Value = SeriesKind> {
    prop_oneof![
        Just(SeriesKind::Counter),
        Just(SeriesKind::Histogram),
        Just(SeriesKind::Sample),
        Just(SeriesKind::Native)
    ]
}

fn set() -> impl Strategy<Value = (Labels, SeriesKind)> {
    let pairs = prop::collection::vec(("[abl]|le", "[ab]{0,2}|0\\.5"), 0..4);
    ("x|xy|y_count|x_sum", pairs, kind()).prop_map(|(name, pairs, kind)| (Labels::metric(&name, pairs), kind))
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Regex), Just(MatchOp::NotRegex)];
    let name = prop_oneof![3 => "[abcl]", 1 => Just("le".to_owned()), 2 => Just("__name__".to_owned())];
    let value = prop_oneof![
        "[ab]{0,2}",
        "(x|x_count|x_sum|y_count|xy|0\\.5)",
        "[ab]?\\.[*+]",
        "(a|b|ab|x|x_bucket)\\|(a|ba|x_sum)?",
        "x\\.\\*",
        "\\.\\*_count",
        "\\(\\?i:A\\)b?",
    ];
    (name, op, value).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The index finds what trying every series finds, after any removals.
    #[test]
    fn finds_what_trying_all_finds(
        sets in prop::collection::vec(set(), 0..40),
        matchers in prop::collection::vec(matcher(), 0..5),
        gone in prop::collection::vec(any::<bool>(), 40),
        others in prop::collection::vec(set(), 40),
    ) {
        let mut sets = sets;
        let mut index = index(&sets);
        let is_gone = |i: &usize| gone[*i];
        let removed = (0..sets.len()).filter(is_gone).map(|i| (i as SeriesRef, &sets[i].0, sets[i].1));
        index.remove(&removed.collect::<Vec<_>>());
        for i in (0..sets.len()).filter(is_gone) {
            sets[i].0 = Labels::default();
        }
        let expected: Vec<_> = (0..sets.len())
            .filter(|i| !gone[*i])
            .filter_map(|i| Some((i as SeriesRef, Forms::of(&sets[i].0, sets[i].1, &matchers)?)))
            .collect();
        prop_assert_eq!(select(&index, &sets, &matchers), expected);

        // Others take the places that are free, some at once.
        let others: Vec<_> = (0..sets.len()).filter(is_gone).map(|i| (i, others[i].clone())).collect();
        for (i, set) in &others {
            sets[*i] = set.clone();
        }
        let entry = |(i, _): &(usize, _)| (*i as SeriesRef, &sets[*i].0, sets[*i].1);
        let (alone, together) = others.split_at(others.len() / 2);
        alone.iter().rev().for_each(|one| index.insert(&[entry(one)]));
        index.insert(&together.iter().map(entry).collect::<Vec<_>>());
        let expected: Vec<_> = (0..sets.len())
            .filter_map(|i| Some((i as SeriesRef, Forms::of(&sets[i].0, sets[i].1, &matchers)?)))
            .collect();
        prop_assert_eq!(select(&index, &sets, &matchers), expected);
        let all = index.postings().into_iter().flat_map(|p| p.all()).count();
        prop_assert_eq!(all, sets.len());
        prop_assert!(index.postings().iter().all(|p| p.all().is_sorted()));

        let left = (0..sets.len()).map(|i| (i as SeriesRef, &sets[i].0, sets[i].1));
        index.remove(&left.collect::<Vec<_>>());
        prop_assert!(index.postings().iter().all(|p| p.all().is_empty() && p.names().next().is_none()));
    }

    #[test]
    fn lists_combine_as_sets(
        a in prop::collection::btree_set(0u32..200, 0..60),
        b in prop::collection::btree_set(0u32..200, 0..200),
    ) {
        let other: Vec<_> = b.iter().copied().collect();
        let mut series: Vec<_> = a.iter().copied().collect();
        postings::intersect(&mut series, &other);
        prop_assert!(series.iter().eq(a.intersection(&b)));
    }
}
