//! Whole files: what is read, and what is said about what can't be.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::Severity;
use crate::slo::{CalendarPeriod, Comparison, Indicator, Objective, Unit, Window};

fn one(indicator_and_more: &str) -> Result<Objective, String> {
    let text = format!("objectives:\n  - name: a\n{indicator_and_more}");
    let read = parse_objectives("a.yaml", &text).map_err(|e| e.to_string())?;
    Ok(read.objectives.into_iter().next().unwrap())
}

fn refused(text: &str) -> String {
    parse_objectives("a.yaml", text).expect_err("must be refused").to_string()
}

fn service(text: &str) -> Result<Loaded, String> {
    let sources = MemorySources::default().with_file("etc/plimsoll.yaml", text).with_variable("KEY", "k3y");
    load(Some(Path::new("etc/plimsoll.yaml")), &sources, &Flags::default()).map_err(|e| e.to_string())
}

const CONTRACT: &str = include_str!("tests/contract.yaml");

#[test]
fn the_contracts_objectives_are_read() {
    let read = parse_objectives("contract.yaml", CONTRACT).unwrap();
    let names: Vec<&str> = read.objectives.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["api-latency", "api-availability", "api-fast-enough", "redis-memory"]);
    let latency = &read.objectives[0];
    assert_eq!((latency.unit, latency.target, latency.min_samples), (Unit::Seconds, Some(0.2), Some(100)));
    let critical = &latency.levels[0];
    assert_eq!((critical.severity, critical.breach), (Severity::Critical, Comparison::Above(0.5)));
    assert_eq!((critical.hold, critical.clear), (Duration::from_secs(300), Some(Comparison::Below(0.45))));
    let Indicator::Percentile { by, over, filter, .. } = &latency.indicator else { panic!() };
    assert_eq!(
        (by.as_slice(), over.as_secs(), filter.as_str()),
        (&["http_route".to_owned()][..], 300, "service_name=\"shop-api\"")
    );
    let budget = read.objectives[1].budget.as_ref().unwrap();
    assert_eq!((budget.objective, budget.burn), (0.999, true));
    assert_eq!(read.objectives[3].levels[0].breach, Comparison::Above(0.9));
    assert_eq!(read.objectives[3].unit, Unit::Ratio);
    assert_eq!(read.objectives[3].no_data.unwrap().after, Duration::from_secs(180));
    let escalation = &read.escalations[0];
    assert_eq!((escalation.levels.len(), escalation.repeat), (3, Some(Duration::from_secs(3600))));
}

#[test]
fn levels_are_read_in_all_their_forms() {
    let level = |text: &str| {
        let objective = one(&format!("    indicator: {{value: x_ratio}}\n    warning: {text}\n")).unwrap();
        objective.levels[0].clone()
    };
    assert_eq!(level("{below: 50%}").breach, Comparison::Below(0.5));
    assert_eq!(level("{at_or_above: 50%, for: 0s}").breach, Comparison::AtOrAbove(0.5));
    assert_eq!(level("{at_or_below: 0.5, keep_firing_for: 2m}").keep_firing, Duration::from_secs(120));
    assert_eq!(level("{above: 10%, below: 20%}").breach, Comparison::Between(0.1, 0.2));
    assert_eq!(level("{below: 50%, clear_above: 55%}").clear, Some(Comparison::Above(0.55)));
}

#[test]
fn calendar_budgets_are_read_in_both_forms() {
    let ratio = "    indicator: {ratio: {bad: errors_total, total: requests_total}}\n    burn: off\n    budget: ";
    for form in [
        "{objective: 99%, calendar: month, time_zone: Europe/Berlin}",
        "{objective: 99%, window: {calendar: month, time_zone: Europe/Berlin}}",
    ] {
        let budget = one(&format!("{ratio}{form}\n")).unwrap().budget.unwrap();
        let expected = Window::Calendar { period: CalendarPeriod::Month, time_zone: "Europe/Berlin".into() };
        assert_eq!((budget.window, budget.burn), (expected, false));
    }
    let error = one(&format!("{ratio}{{objective: 99%, calendar: month, time_zone: Mars/Phobos}}\n")).unwrap_err();
    assert!(error.contains("a.yaml:5:") && error.contains("time_zone") && error.contains("Mars/Phobos"), "{error}");
}

#[test]
fn everything_wrong_is_said_at_once_and_where() {
    let error = refused(
        "objectives:\n  - name: API\n    indicator: {percentile: {of: x_seconds, p: 101}}\n    critcal: {above: 5}\n  - name: b\n    indicator: {value: up}\n    warning: {above: 5, for: 10}\n    targets: 3\n",
    );
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 5, "{error}");
    assert!(lines[0].starts_with("a.yaml:2:11: objectives[0].name: \"API\" is not a name"), "{error}");
    assert!(lines[1].starts_with("a.yaml:3:48: objectives[0].indicator.percentile.p: a percentile lies"), "{error}");
    assert!(
        lines[2].starts_with("a.yaml:4:5: objectives[0].critcal: unknown field; did you mean `critical`?"),
        "{error}"
    );
    assert!(lines[3].starts_with("a.yaml:7:30: objectives[1].warning.for: expected a duration with a unit"), "{error}");
    assert!(
        lines[4].starts_with("a.yaml:8:5: objectives[1].targets: unknown field; did you mean `target`?"),
        "{error}"
    );
}

#[test]
fn units_are_required_and_must_fit() {
    let percentile = "    indicator: {percentile: {of: x_seconds, p: 95}}\n    target: ";
    for (target, expected) in
        [("200", "such as 200ms"), ("5%", "expected a duration with its unit"), ("[1]", "found a list")]
    {
        let error = one(&format!("{percentile}{target}\n")).unwrap_err();
        assert!(error.starts_with("a.yaml:4:13: objectives[0].target: ") && error.contains(expected), "{error}");
    }
    let mixed =
        one("    indicator: {value: a / b}\n    warning: {above: 200ms}\n    critical: {above: 50%}\n").unwrap_err();
    assert!(mixed.contains("expected"), "{mixed}");
    let share =
        one("    indicator: {threshold: {of: x_seconds, below: 1s}}\n    warning: {below: 120%}\n").unwrap_err();
    assert!(share.contains("between 0% and 100%"), "{share}");
    assert_eq!(
        one("    indicator: {percentile: {of: web_vitals_cls, p: 75}}\n    target: 0.1\n").unwrap().target,
        Some(0.1)
    );
}

#[test]
fn a_target_of_all_is_refused_with_the_form_for_it() {
    for text in [
        "    indicator: {ratio: {good: a_total, total: b_total}}\n    budget: {objective: 100%, window: 30d}\n",
        "    indicator: {ratio: {good: a_total, total: b_total}}\n    target: 100%\n",
    ] {
        let error = one(text).unwrap_err();
        assert!(
            error.starts_with("a.yaml:4:") && error.contains("zero-tolerance") && error.contains("above: 0"),
            "{error}"
        );
    }
}

#[test]
fn later_forms_are_refused_and_not_ignored() {
    let cases = [
        ("    indicator: {any: [a, b]}\n", "indicator.any"),
        ("    indicator: {value: up}\n    target: 1\n    relative_to: {offset: 7d}\n", "relative_to"),
        ("    indicator: {value: up}\n    target: 1\n    advice: [{text: x}]\n", "advice"),
        ("    indicator: {value: up}\n    target: 1\n    slice: {minutes: good}\n", "slice"),
        ("    indicator: {value: up}\n    target: 1\n    phases: {peak: {}}\n", "phases"),
        ("    indicator: {value: up}\n    target: 1\n    exclude: [{}]\n", "exclude"),
    ];
    for (text, path) in cases {
        let error = one(text).unwrap_err();
        assert!(error.contains(&format!("objectives[0].{path}: not supported by this version")), "{path}: {error}");
    }
}

#[test]
fn what_does_not_compile_is_located_too() {
    let cases = [
        (
            "    indicator: {value: 'sum('}\n    target: 1\n",
            "a.yaml:3:24: objectives[0].indicator.value: \"sum(\" is not PromQL",
        ),
        (
            "    indicator: {percentile: {of: x_seconds, p: 95, where: 'a=b'}}\n    target: 1s\n",
            "a.yaml:3:59: objectives[0].indicator.percentile.where: ",
        ),
        (
            "    indicator: {ratio: {good: 'rate(a[5m])', total: b}}\n    target: 90%\n",
            "a.yaml:3:31: objectives[0].indicator.ratio.good: expected a plain selector",
        ),
        (
            "    indicator: {value: up}\n    warning: {above: 5, clear_below: 6}\n",
            "a.yaml:4:38: objectives[0].warning.clear_below: a level clears on the good side",
        ),
        (
            "    indicator: {percentile: {of: x_seconds, p: 95}}\n    budget: {objective: 99%, window: 30d}\n",
            "a.yaml:4:13: objectives[0].budget: a budget is counted in good and bad events",
        ),
        ("    indicator: {value: up}\n", "a.yaml:2:5: objectives[0]: an objective needs at least one of"),
    ];
    for (text, expected) in cases {
        let error = one(text).unwrap_err();
        assert!(error.starts_with(expected), "expected {expected}\nfound    {error}");
    }
}

#[test]
fn names_are_unique_across_files_and_escalations_are_known() {
    let objective = "objectives:\n  - name: a\n    indicator: {value: up}\n    target: 1\n    escalation: ghost\n";
    let sources = MemorySources::default().with_file("one.yaml", objective).with_file("two.yaml", objective);
    let error = load_objectives(&["one.yaml".into(), "two.yaml".into()], &sources).unwrap_err().to_string();
    assert!(
        error.contains(
            "two.yaml:2:11: objectives[0].name: there are two objectives named \"a\"; the other is at one.yaml:2:11"
        ),
        "{error}"
    );
    assert!(
        error.contains("one.yaml:5:17: objectives[0].escalation: there is no escalation named \"ghost\""),
        "{error}"
    );
}

#[test]
fn the_contracts_service_file_is_read() {
    let sources = MemorySources::default()
        .with_file("etc/plimsoll.yaml", include_str!("tests/service.yaml"))
        .with_file("etc/alert-rules/a.yaml", CONTRACT)
        .with_file("etc/pg.url", "postgres://watch@db/shop\n")
        .with_variable("PLIMSOLL_INGEST_KEY", "in")
        .with_variable("PLIMSOLL_ADMIN_KEY", "admin")
        .with_variable("PD_KEY", "pd")
        .with_variable("SLACK_WEBHOOK", "https://hooks.slack.example/x");
    let loaded =
        load(Some(Path::new("etc/plimsoll.yaml")), &sources, &Flags::default()).map_err(|e| e.to_string()).unwrap();
    let Service { listen, keep, limits, channels, postgres, ingest_keys, .. } = &loaded.service;
    assert_eq!(listen.to_string(), "127.0.0.1:1877");
    assert_eq!((keep.resolution_10s.as_secs(), limits.body_bytes, limits.per_client), (172_800, 2 << 20, 50.0));
    assert_eq!(postgres[0].url.expose(), "postgres://watch@db/shop");
    assert_eq!(
        (ingest_keys[0].key.expose(), ingest_keys[0].origins.as_slice()),
        ("in", &["https://shop.example".to_owned()][..])
    );
    assert!(
        matches!(&channels[0].config, ChannelConfig::PagerDuty { routing_key, .. } if routing_key.expose() == "pd")
    );
    assert_eq!((channels.len(), loaded.service.host), (5, true));
    assert_eq!(loaded.service.browser_prefix.as_deref(), Some("/b"));
    assert_eq!(loaded.objectives.objectives.len(), 4);
    assert_eq!(loaded.files, [Path::new("etc/plimsoll.yaml"), Path::new("etc/alert-rules/a.yaml")]);
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_both() {
    let sources = MemorySources::default()
        .with_file("plimsoll.yaml", "listen: 127.0.0.1:1\nevaluate_every: 7s\n")
        .with_variable("PLIMSOLL_LISTEN", "127.0.0.1:2")
        .with_variable("PLIMSOLL_LIMITS_SERIES", "500")
        .with_variable("PLIMSOLL_LIMITS_SERIES_IDLE", "6h")
        .with_variable("PLIMSOLL_LIMITS_LABEL_VALUE", "2KiB");
    let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    let port = |flags: &Flags| load(None, &sources, flags).unwrap().service.listen.port();
    assert_eq!((port(&Flags::default()), port(&flags)), (2, 3));
    let service = load(None, &sources, &flags).unwrap().service;
    assert_eq!((service.evaluate_every.as_secs(), service.limits.series), (7, 500));
    assert_eq!((service.limits.label_value_bytes, service.limits.series_idle.as_secs()), (2048, 6 * 3600));
    let short = MemorySources::default().with_variable("PLIMSOLL_LIMITS_SERIES_IDLE", "10m");
    let error = load(None, &short, &Flags::default()).unwrap_err().to_string();
    assert!(error.contains("limits.series_idle: 10m is not between 2h and"), "{error}");
    let bad = MemorySources::default().with_variable("PLIMSOLL_EVALUATE_EVERY", "soon");
    let error = load(None, &bad, &Flags::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("environment variable PLIMSOLL_EVALUATE_EVERY: evaluate_every: \"soon\" is not a duration"),
        "{error}"
    );
}

#[test]
fn without_a_file_the_defaults_and_the_built_in_objectives_hold() {
    let loaded = load(None, &MemorySources::default(), &Flags::default()).unwrap();
    assert_eq!(loaded.service, Service::default());
    assert_eq!(loaded.objectives, built_in_objectives().unwrap());
    assert!(loaded.objectives.objectives.len() >= 6);
    let missing = load(Some(Path::new("none.yaml")), &MemorySources::default(), &Flags::default()).unwrap_err();
    assert!(missing.to_string().starts_with("none.yaml: "), "{missing}");
}

#[test]
fn bad_service_files_are_refused_with_their_place() {
    let cases = [
        ("listen: 80\n", "etc/plimsoll.yaml:1:9: listen: expected text (put it in quotes), found the number 80"),
        ("listn: 1.2.3.4:5\n", "etc/plimsoll.yaml:1:1: listn: unknown field; did you mean `listen`?"),
        ("browser_prefix: /\n", "etc/plimsoll.yaml:1:17: browser_prefix: expected a path such as /b, not the root"),
        ("evaluate_every: 10m\n", "etc/plimsoll.yaml:1:17: evaluate_every: 10m is not between 1s and 5m"),
        (
            "keys: {admin: [{env: NOT_SET}]}\n",
            "etc/plimsoll.yaml:1:22: keys.admin[0].env: the environment variable NOT_SET is not set",
        ),
        (
            "channels:\n  - {name: t, twilio: {from: x}}\n",
            "etc/plimsoll.yaml:2:23: channels[0].twilio: not supported by this version",
        ),
        ("engine: {prometheus: http://p}\n", "etc/plimsoll.yaml:1:9: engine: only `embedded` is supported"),
        (
            "database: mysql://u:p4ss@h/d\n",
            "etc/plimsoll.yaml:1:11: database: expected a URL that begins with sqlite:// or postgres://",
        ),
        ("objectives: [nothing/*.yaml]\n", "etc/plimsoll.yaml:1:14: objectives[0]: no file matches etc/nothing/*.yaml"),
        ("- a\n", "etc/plimsoll.yaml:1:1: expected a mapping, found a list"),
        ("a: [\n", "etc/plimsoll.yaml:"),
    ];
    for (text, expected) in cases {
        let error = service(text).unwrap_err();
        assert!(error.starts_with(expected), "expected {expected}\nfound    {error}");
        assert!(!error.contains("p4ss"), "{error}");
    }
}

#[test]
fn escalations_must_name_channels_that_exist() {
    let escalation = "escalations:\n  - name: e\n    levels: [{after: 0m, notify: [pager]}]\n";
    let sources = MemorySources::default()
        .with_file("plimsoll.yaml", "objectives: o.yaml\nchannels: [{name: hook, webhook: {url: http://h/x}}]\n")
        .with_file("o.yaml", escalation);
    let error = load(None, &sources, &Flags::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "o.yaml:3:35: escalations[0].levels[0].notify[0]: there is no channel named \"pager\"; known are hook"
    );
}

#[test]
fn missing_secrets_can_be_allowed() {
    let sources = MemorySources::default()
        .with_file("plimsoll.yaml", "channels: [{name: pd, pagerduty: {routing_key_env: ABSENT}}]\n");
    assert!(load(None, &sources, &Flags::default()).is_err());
    let flags = Flags { allow_missing_secrets: true, ..Flags::default() };
    assert_eq!(load(None, &sources, &flags).unwrap().service.channels[0].name, "pd");
}
