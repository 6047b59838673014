//! Web vitals: the p75 of page views and the share of good ones, per route.

use std::sync::Arc;

use crate::base::Severity::{Critical, Warning};
use crate::slo::CompiledObjective;

use super::panel::{Draw, Panel, unit};
use super::{Dashboard, Variable};

/// Metric, title, unit, good (inclusive) and poor (exclusive) bounds.
const VITALS: [(&str, &str, &str, f64, f64); 5] = [
    ("web_vitals_lcp_seconds", "LCP", unit::SECONDS, 2.5, 4.0),
    ("web_vitals_inp_seconds", "INP", unit::SECONDS, 0.2, 0.5),
    ("web_vitals_cls", "CLS", unit::NUMBER, 0.1, 0.25),
    ("web_vitals_fcp_seconds", "FCP", unit::SECONDS, 1.8, 3.0),
    ("web_vitals_ttfb_seconds", "TTFB", unit::SECONDS, 0.8, 1.8),
];

const MATCHERS: &str = r#"service_name=~"$site",device=~"$device",navigation_type!="soft-navigation""#;

pub(super) fn dashboard(_compiled: &[Arc<CompiledObjective>]) -> Dashboard {
    Dashboard {
        uid: "plimsoll-web-vitals",
        title: "Plimsoll: web vitals",
        variables: vec![
            Variable {
                name: "site",
                label: "Site",
                query: "label_values(web_vitals_ttfb_seconds_count, service_name)",
            },
            Variable { name: "device", label: "Device", query: "label_values(web_vitals_ttfb_seconds_count, device)" },
        ],
        rows: vec![("p75 of page views", totals()), ("By route", by_route()), ("How many", traffic())],
    }
}

fn p75(metric: &str, by: &str, window: &str) -> String {
    format!("histogram_quantile(0.75, sum by (le{by}) (increase({metric}_bucket{{{MATCHERS}}}[{window}])))")
}

fn totals() -> Vec<Panel> {
    let number = |(metric, title, unit, good, poor): (&'static str, &str, &'static str, f64, f64)| {
        Panel::new(Draw::Number, title, unit)
            .query(p75(metric, "", "$__range"), title_of(metric))
            .bad_above(vec![(good, Warning), (poor, Critical)])
    };
    VITALS.into_iter().map(number).collect()
}

fn title_of(metric: &str) -> &'static str {
    VITALS.iter().find(|v| v.0 == metric).map_or("", |v| v.1)
}

fn by_route() -> Vec<Panel> {
    let lines = |(metric, title, unit, good, poor): (&'static str, &str, &'static str, f64, f64)| {
        Panel::new(Draw::Lines, format!("{title}, p75"), unit)
            .query(p75(metric, ", route", "$__rate_interval"), "{{route}}")
            .bad_above(vec![(good, Warning), (poor, Critical)])
    };
    let good = |(metric, title, _, good, _): (&'static str, &str, &'static str, f64, f64)| {
        let within = format!("sum by (route) (increase({metric}_bucket{{{MATCHERS},le=\"{good}\"}}[$__range]))");
        let all = format!("sum by (route) (increase({metric}_count{{{MATCHERS}}}[$__range]))");
        Panel::new(Draw::Bars, format!("{title}: share of good views"), unit::RATIO)
            .query(format!("{within} / {all}"), "{{route}}")
            .max(1.0)
            .bad_below(vec![(0.5, Critical), (0.75, Warning)])
    };
    VITALS.into_iter().flat_map(|v| [lines(v), good(v)]).collect()
}

fn traffic() -> Vec<Panel> {
    vec![
        Panel::new(Draw::Lines, "Page views by device", unit::PER_SECOND).query(
            format!("sum by (device) (rate(web_vitals_ttfb_seconds_count{{{MATCHERS}}}[$__rate_interval]))"),
            "{{device}}",
        ),
        Panel::new(Draw::Lines, "Page views by kind of navigation", unit::PER_SECOND).query(
            "sum by (navigation_type) (rate(web_vitals_ttfb_seconds_count{service_name=~\"$site\"}[$__rate_interval]))",
            "{{navigation_type}}",
        ),
    ]
}
