//! What is exported is taken by the tools it is for, and means what the objectives mean.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use plimsoll::config::{self, Objectives};
use plimsoll::export::{self, Receiver, ReceiverKind};
use plimsoll::slo::{self, CompiledObjective};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("alert-rules")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|f| f.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    assert_eq!(files.len(), 7, "{files:?}");
    files
}

fn read(files: &[PathBuf]) -> Objectives {
    config::load_objectives(files, &config::SystemSources).unwrap_or_else(|e| panic!("{e}"))
}

fn compiled(objectives: &Objectives) -> Vec<Arc<CompiledObjective>> {
    objectives.objectives.iter().map(|o| Arc::new(slo::compile(Arc::new(o.clone())).unwrap())).collect()
}

/// Runs a tool on a file; panics with what it said when it refuses.
fn accepts(tool: &mut Command) {
    let output = tool.output().unwrap_or_else(|e| panic!("{tool:?} can't be run: {e}"));
    let said = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool:?}\n{}\n{}", said.0, said.1);
}

#[test]
fn promtool_takes_the_rules_of_all_shipped_objectives() {
    let folder = tempfile::tempdir().unwrap();
    for file in shipped() {
        let rules = export::rules_yaml(&compiled(&read(std::slice::from_ref(&file))));
        let path = folder.path().join(file.file_name().unwrap());
        std::fs::write(&path, rules).unwrap();
        accepts(Command::new("promtool").args(["check", "rules"]).arg(&path));
    }
}

#[test]
fn shipped_objectives_have_different_names_and_compile_without_loss() {
    let objectives = read(&shipped());
    assert!(objectives.objectives.len() > 100, "{}", objectives.objectives.len());
    for objective in compiled(&objectives) {
        assert_eq!(objective.remarks, Vec::<String>::new(), "{}", objective.objective.name);
    }
}

#[test]
fn dashboards_in_the_repository_are_what_is_exported() {
    let objectives = config::built_in_objectives().unwrap();
    let exported = export::dashboards(&compiled(&objectives));
    assert_eq!(exported.len(), 4);
    for (name, model) in exported {
        let path = root().join("dashboards").join(&name);
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == format!("{model:#}\n"), "{name} is stale: run `plimsoll export dashboards --out dashboards`");
    }
}

#[test]
fn amtool_takes_the_routes() {
    let objectives =
        read(&[root().join("alert-rules/escalations/on-call.yaml"), root().join("alert-rules/default.yaml")]);
    let email = ReceiverKind::Email {
        smarthost: "mail:25".into(),
        user: Some("slo".into()),
        from: "slo@example.com".into(),
        to: vec!["a@example.com".into(), "b@example.com".into()],
        require_tls: false,
    };
    let kinds = [("pagerduty", ReceiverKind::PagerDuty), ("slack", ReceiverKind::Slack), ("email-senior", email)];
    let channels = kinds.map(|(name, kind)| Receiver { name: name.into(), kind });
    let mut escalations = objectives.escalations.clone();
    escalations[0].levels[0].notify.push("email-senior".into());
    let text = export::alertmanager_yaml(&compiled(&objectives), &escalations, &channels);
    for expected in ["routing_key_file", "api_url_file", "smarthost", "escalation-on-call", "service_name"] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yaml");
    std::fs::write(&path, text).unwrap();
    accepts(Command::new("amtool").arg("check-config").arg(&path));
}

const CASES: &str = r#"
objectives:
  - name: slow
    indicator: {percentile: {of: x_seconds, p: 95, over: 5m, by: [route]}}
    critical: {above: 500ms, for: 2m}
  - name: exact
    indicator: {percentile: {of: y_seconds, p: 95, over: 5m}}
    critical: {above: 500ms}
  - name: unborn
    indicator: {ratio: {good: ok_total, total: all_total}}
    critical: {below: 50%}
  - name: sticky
    indicator: {value: level_ratio}
    critical: {above: 90%, clear_below: 80%}
  - name: quiet
    indicator: {ratio: {bad: bad_total, total: few_total}}
    critical: {above: 1%}
    min_samples: 100
  - name: burning
    indicator: {ratio: {bad: err_total, total: req_total}}
    budget: {objective: 99.9%, window: 30d}
  - name: gone
    indicator: {value: gone_ratio}
    target: 50%
    no_data: {after: 3m}
"#;

/// Series as promtool's tests write them, one sample a minute.
const SERIES: &str = r#"
      - {series: 'x_seconds_bucket{route="/a",le="0.5"}', values: '0+94x30'}
      - {series: 'x_seconds_count{route="/a"}', values: '0+100x30'}
      - {series: 'x_seconds_bucket{route="/b",le="0.5"}', values: '0+96x30'}
      - {series: 'x_seconds_count{route="/b"}', values: '0+100x30'}
      - {series: 'y_seconds_bucket{le="0.5"}', values: '0+95x30'}
      - {series: 'y_seconds_count', values: '0+100x30'}
      - {series: 'all_total', values: '0+100x30'}
      - {series: 'level_ratio{instance="i"}', values: '0.95x4 0.85x4 0.75x4 0.85x20'}
      - {series: 'bad_total', values: '0+5x30'}
      - {series: 'few_total', values: '0+10x30'}
      - {series: 'err_total', values: '0+5x30'}
      - {series: 'req_total', values: '0+100x30'}
      - {series: 'gone_ratio', values: '1x4 stale'}
"#;

/// `(alert, minute, how many fire)`.
const FIRING: [(&str, &str, u32); 12] = [
    ("SlowCritical", "10m", 1),
    ("SlowCritical", "2m", 0),
    ("ExactCritical", "10m", 0),
    ("UnbornCritical", "10m", 1),
    ("StickyCritical", "2m", 1),
    ("StickyCritical", "7m", 1),
    ("StickyCritical", "12m", 0),
    ("StickyCritical", "20m", 0),
    ("QuietCritical", "20m", 0),
    ("BurningBurnRate1h", "20m", 1),
    ("GoneNoData", "5m", 0),
    ("GoneNoData", "15m", 1),
];

#[test]
fn exported_rules_mean_what_the_objectives_mean() {
    let objectives = config::parse_objectives("cases.yaml", CASES).unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), export::rules_yaml(&compiled(&objectives))).unwrap();
    let mut test = format!(
        "rule_files: [rules.yaml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:{SERIES}    promql_expr_test:\n"
    );
    for (alert, at, firing) in FIRING {
        let samples = if firing == 0 { "[]".to_owned() } else { format!("[{{labels: '{{}}', value: {firing}}}]") };
        test.push_str(&format!(
            "      - {{expr: 'count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})', eval_time: {at}, exp_samples: {samples}}}\n"
        ));
    }
    let path = folder.path().join("test.yaml");
    std::fs::write(&path, test).unwrap();
    accepts(Command::new("promtool").args(["test", "rules"]).arg(&path));
}
