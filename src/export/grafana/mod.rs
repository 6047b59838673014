//! Grafana dashboards. Each query is answered by Plimsoll itself and by a Prometheus that scrapes it.
//!
//! The JSON follows Grafana's dashboard schema version 39. Percentiles are computed from classic buckets, which
//! both know; the bounds include every threshold that an objective names.

mod infrastructure;
mod objectives;
mod panel;
mod performance;
mod vitals;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::slo::CompiledObjective;

use panel::Panel;

/// All dashboards for these objectives: file name and JSON.
pub fn dashboards(compiled: &[Arc<CompiledObjective>]) -> Vec<(String, Value)> {
    let all = [
        performance::dashboard(compiled),
        vitals::dashboard(compiled),
        infrastructure::dashboard(compiled),
        objectives::dashboard(compiled),
    ];
    all.into_iter().map(|d| (format!("{}.json", d.uid), d.json())).collect()
}

/// A dashboard before it is JSON.
struct Dashboard {
    uid: &'static str,
    title: &'static str,
    variables: Vec<Variable>,
    rows: Vec<(&'static str, Vec<Panel>)>,
}

/// A choice at the top of a dashboard: the values of a label.
struct Variable {
    name: &'static str,
    label: &'static str,
    query: &'static str,
}

impl Dashboard {
    fn json(&self) -> Value {
        json!({
            "uid": self.uid,
            "title": self.title,
            "tags": ["plimsoll"],
            "schemaVersion": 39,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "",
            "annotations": {"list": []},
            "links": [{"type": "dashboards", "tags": ["plimsoll"], "title": "Plimsoll", "asDropdown": true, "targetBlank": false}],
            "templating": {"list": self.variables()},
            "panels": self.panels(),
        })
    }

    fn variables(&self) -> Vec<Value> {
        let source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
            "current": {}, "hide": 0, "multi": false, "includeAll": false,
        });
        let chosen = self.variables.iter().map(|v| {
            json!({
                "name": v.name, "label": v.label, "type": "query", "datasource": panel::source(),
                "query": {"query": v.query, "refId": v.name}, "definition": v.query,
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "hide": 0,
                "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
            })
        });
        std::iter::once(source).chain(chosen).collect()
    }

    /// Rows of 24 columns; panels wrap when a row is full.
    fn panels(&self) -> Vec<Value> {
        let (mut out, mut y, mut id) = (Vec::new(), 0, 1);
        for (title, panels) in &self.rows {
            out.push(json!({
                "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            }));
            (id, y) = (id + 1, y + 1);
            let (mut x, mut height) = (0, 0);
            for panel in panels {
                if x + panel.width > 24 {
                    (x, y, height) = (0, y + height, 0);
                }
                out.push(panel.json(id, x, y));
                (id, x, height) = (id + 1, x + panel.width, height.max(panel.height));
            }
            y += height;
        }
        out
    }
}

/// The levels of objectives on this metric, as a panel's threshold lines, in base units: those that an upper
/// level of a percentile names.
fn thresholds_of(compiled: &[Arc<CompiledObjective>], metric: &str) -> Vec<(f64, crate::base::Severity)> {
    use crate::slo::{Comparison, Indicator};
    let mut lines = Vec::new();
    for objective in compiled.iter().map(|c| &c.objective) {
        if !matches!(&objective.indicator, Indicator::Percentile { of, .. } if of == metric) {
            continue;
        }
        for level in &objective.levels {
            if let Comparison::Above(bound) | Comparison::AtOrAbove(bound) = level.breach {
                lines.push((bound, level.severity));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn queries(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("expr").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|v| queries(v, found));
            }
            Value::Array(list) => list.iter().for_each(|v| queries(v, found)),
            _ => {}
        }
    }

    #[test]
    fn every_query_parses_and_ids_are_unique() {
        for (name, dashboard) in dashboards(&[]) {
            let mut found = Vec::new();
            queries(&dashboard, &mut found);
            assert!(found.len() > 3, "{name} has {} queries", found.len());
            for query in found {
                let query = query.replace("$__rate_interval", "1m").replace("$__range", "1h");
                promql_parser::parser::parse(&query).unwrap_or_else(|e| panic!("{name}: {query}: {e}"));
            }
            let ids: Vec<_> = dashboard["panels"].as_array().unwrap().iter().map(|p| p["id"].to_string()).collect();
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{name}");
        }
    }
}
