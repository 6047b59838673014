//! `GET /api/objectives` and `GET /api/objectives/NAME`: the state at the last evaluation.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::{no_objective, reply};
use crate::alert::ObjectiveStatus;
use crate::http::{Api, Problem};
use crate::slo::{AlertRule, CompiledObjective, RuleKind};

/// Every objective, in the order of the files.
pub(super) async fn list(State(api): State<Api>) -> Response {
    reply(json!({"objectives": api.objectives.statuses()}))
}

/// One objective: its state, what it compiles to, and where to look.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    status: ObjectiveStatus,
    query: &'a str,
    rules: Vec<Rule<'a>>,
    remarks: &'a [String],
    runbook: Option<&'a str>,
    dashboard: Option<&'a str>,
    source: &'a str,
}

/// One alert of an objective.
#[derive(Serialize)]
struct Rule<'a> {
    id: &'a str,
    alert: &'a str,
    kind: &'static str,
    severity: &'static str,
    expr: &'a str,
    for_seconds: f64,
    keep_firing_for_seconds: f64,
}

impl<'a> Rule<'a> {
    fn of(rule: &'a AlertRule) -> Self {
        let kind = match rule.kind {
            RuleKind::Level => "level",
            RuleKind::Burn { .. } => "burn",
            RuleKind::NoData => "no_data",
        };
        Self {
            id: &rule.id,
            alert: &rule.alert_name,
            kind,
            severity: rule.severity.as_str(),
            expr: &rule.expr,
            for_seconds: rule.hold.as_secs_f64(),
            keep_firing_for_seconds: rule.keep_firing.as_secs_f64(),
        }
    }
}

/// One objective.
pub(super) async fn one(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Problem> {
    let status = api.objectives.statuses().into_iter().find(|s| s.name == name);
    match (status, api.objectives.compiled(&name)) {
        (Some(status), Some(compiled)) => Ok(reply(detail(status, &compiled))),
        _ => Err(no_objective(&name)),
    }
}

fn detail(status: ObjectiveStatus, compiled: &CompiledObjective) -> Detail<'_> {
    let objective = &compiled.objective;
    Detail {
        status,
        query: &compiled.value,
        rules: compiled.rules.iter().map(Rule::of).collect(),
        remarks: &compiled.remarks,
        runbook: objective.runbook.as_deref(),
        dashboard: objective.dashboard.as_deref(),
        source: &objective.source,
    }
}

#[cfg(test)]
mod tests {
    use crate::http::api::routes;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn the_list_has_the_contract_s_fields() {
        let list = Kit::new().get(routes(), "/api/objectives").await.json();
        let first = &list["objectives"][0];
        assert_eq!(first["name"], "api-latency");
        assert_eq!((&first["status"], &first["unit"]), (&"critical".into(), &"seconds".into()));
        assert_eq!((first["value"].as_f64(), first["target"].as_f64()), (Some(0.62), Some(0.2)));
        assert_eq!(first["groups"][0]["labels"]["http_route"], "/products/:id");
        assert_eq!(list["objectives"][1]["budget"]["window"], "30d");
    }

    #[tokio::test]
    async fn one_says_what_it_compiles_to() {
        let kit = Kit::new();
        let one = kit.get(routes(), "/api/objectives/api-latency").await.json();
        assert_eq!(one["status"], "critical");
        assert!(one["query"].as_str().unwrap().starts_with("histogram_quantile"));
        assert_eq!(one["rules"][0]["severity"], "critical");
        assert_eq!(one["rules"][0]["for_seconds"], 300.0);
        assert_eq!(kit.get(routes(), "/api/objectives/nope").await.problem(), 404);
    }
}
