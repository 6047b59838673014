//! The names, labels and texts of alerts.

use crate::base::{Labels, Severity};

use super::format::{format_comparison, format_duration, format_value};
use super::objective::{Indicator, Level, Objective, Unit};

/// `api-latency` as an alert's name: `ApiLatency`, then the suffix.
pub(crate) fn alert_name(objective: &Objective, suffix: &str) -> String {
    let camel = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    objective.name.split('-').map(camel).collect::<String>() + suffix
}

/// The alert's own labels: the objective's, then what every alert carries.
pub(crate) fn labels(objective: &Objective, severity: Severity) -> Labels {
    let mut builder = Labels::new(objective.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))).to_builder();
    builder.set("team", objective.team.as_deref().unwrap_or_default());
    builder.set("escalation", objective.escalation.as_deref().unwrap_or_default());
    builder.set("objective", objective.name.as_str()).set("severity", severity.as_str());
    builder.build()
}

/// Summary, description, links, then the objective's own annotations (which win).
pub(crate) fn annotations(objective: &Objective, what: &str, description: String) -> Vec<(String, String)> {
    let mut all =
        vec![("summary".to_owned(), format!("{}: {what}", objective.title)), ("description".to_owned(), description)];
    all.extend(objective.runbook.iter().map(|link| ("runbook_url".to_owned(), link.clone())));
    all.extend(objective.dashboard.iter().map(|link| ("dashboard".to_owned(), link.clone())));
    all.retain(|(name, _)| !objective.annotations.contains_key(name));
    all.extend(objective.annotations.iter().map(|(n, v)| (n.clone(), v.clone())));
    all
}

/// What the objective's number is, in a few words.
pub(crate) fn subject(objective: &Objective) -> String {
    match &objective.indicator {
        Indicator::Percentile { p, over, .. } => format!("p{p} over {}", format_duration(*over)),
        Indicator::Threshold { below, over, .. } => {
            let bound = format_value(*below, crate::slo::compile::unit_of_metric(objective).unwrap_or(Unit::Seconds));
            format!("share within {bound} over {}", format_duration(*over))
        }
        Indicator::Ratio { side: super::objective::RatioSide::Good, over, .. } => {
            format!("share of good events over {}", format_duration(*over))
        }
        Indicator::Ratio { over, .. } => format!("share of bad events over {}", format_duration(*over)),
        Indicator::Value { .. } => "value".to_owned(),
    }
}

/// The texts of a level.
pub(crate) fn level(objective: &Objective, level: &Level) -> Vec<(String, String)> {
    let limit = format_comparison(&level.breach, objective.unit);
    let held = if level.hold.is_zero() { String::new() } else { format!(" for {}", format_duration(level.hold)) };
    let what = format!("{} {limit}", subject(objective));
    annotations(objective, &what, format!("{what}{held}. Now {{{{value}}}} {{{{labels}}}}"))
}
