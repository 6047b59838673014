//! Objectives: what is left of each budget, how fast it burns, and Plimsoll's own health.

use std::sync::Arc;

use crate::base::Severity::{Critical, Warning};
use crate::slo::{CompiledObjective, Measure};

use super::panel::{Draw, Panel, unit};
use super::{Dashboard, Variable};

const O: &str = r#"objective=~"$objective""#;

pub(super) fn dashboard(_compiled: &[Arc<CompiledObjective>]) -> Dashboard {
    Dashboard {
        uid: "plimsoll-objectives",
        title: "Plimsoll: objectives",
        variables: vec![Variable {
            name: "objective",
            label: "Objective",
            query: "label_values(slo:events_total, objective)",
        }],
        rows: vec![("Budgets", budgets()), ("Plimsoll itself", own_health())],
    }
}

fn bad_ratio(window: &str) -> String {
    let (good, total) = (Measure::GOOD, Measure::TOTAL);
    format!(
        "1 - sum by (objective) (increase({good}{{{O}}}[{window}])) / (sum by (objective) (increase({total}{{{O}}}[{window}])) > 0)"
    )
}

fn budgets() -> Vec<Panel> {
    vec![
        Panel::new(Draw::Bars, "Budget left", unit::RATIO)
            .about("1 is untouched, 0 is spent.")
            .query(format!("slo:budget_remaining_ratio{{{O}}}"), "{{objective}}")
            .max(1.0)
            .bad_below(vec![(0.0, Critical), (0.25, Warning)]),
        Panel::new(Draw::Lines, "Bad events, of all (5 min)", unit::RATIO).query(bad_ratio("5m"), "{{objective}}"),
        Panel::new(Draw::Lines, "Bad events, of all (1 h)", unit::RATIO).query(bad_ratio("1h"), "{{objective}}"),
        Panel::new(Draw::Lines, "Events", unit::PER_SECOND)
            .query(format!("sum by (objective) (rate({}{{{O}}}[$__rate_interval]))", Measure::TOTAL), "{{objective}}"),
    ]
}

fn own_health() -> Vec<Panel> {
    vec![
        Panel::new(Draw::Number, "Open incidents", unit::NUMBER)
            .query("sum(plimsoll_incidents_open)", "open")
            .bad_above(vec![(1.0, Critical)]),
        Panel::new(Draw::Lines, "Received", unit::PER_SECOND)
            .query("sum by (endpoint) (rate(plimsoll_ingest_received_total[$__rate_interval]))", "{{endpoint}}")
            .wide(10),
        Panel::new(Draw::Lines, "Dropped, by reason", unit::PER_SECOND)
            .query("sum by (reason) (rate(plimsoll_ingest_dropped_total[$__rate_interval])) > 0", "{{reason}}")
            .wide(10),
        Panel::new(Draw::Lines, "Evaluation", unit::SECONDS)
            .query("plimsoll_evaluation_duration_seconds", "duration")
            .query("plimsoll_evaluation_lag_seconds", "lag"),
        Panel::new(Draw::Lines, "Notifications", unit::PER_SECOND).query(
            "sum by (channel, outcome) (rate(plimsoll_notifications_total[$__rate_interval]))",
            "{{channel}} {{outcome}}",
        ),
    ]
}
