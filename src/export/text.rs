//! Our placeholders in alert texts, as Prometheus's templates have them.

use crate::slo::{AlertRule, Indicator, Objective, RuleKind, Unit};

/// `{{value}}` and `{{labels}}` in a rule's annotations become Go templates.
pub(super) fn annotation(text: &str, objective: &Objective, rule: &AlertRule) -> String {
    text.replace("{{value}}", &value(objective, rule)).replace("{{labels}}", &labels(objective)).trim().to_owned()
}

fn value(objective: &Objective, rule: &AlertRule) -> String {
    let percentile = matches!(objective.indicator, Indicator::Percentile { .. });
    match objective.unit {
        // What a percentile's rule compares is the share of values within the limit, not the percentile.
        _ if percentile && rule.kind == RuleKind::Level => {
            "{{ $value | humanizePercentage }} of events are within the limit".to_owned()
        }
        Unit::Seconds => "{{ $value | humanizeDuration }}".to_owned(),
        Unit::Ratio => "{{ $value | humanizePercentage }}".to_owned(),
        Unit::Bytes => "{{ $value | humanize1024 }}B".to_owned(),
        Unit::PerSecond => "{{ $value | humanize }}/s".to_owned(),
        Unit::None => "{{ $value | humanize }}".to_owned(),
    }
}

fn labels(objective: &Objective) -> String {
    let by = match &objective.indicator {
        Indicator::Percentile { by, .. } | Indicator::Threshold { by, .. } | Indicator::Ratio { by, .. } => by,
        Indicator::Value { .. } => {
            return "{{ range $name, $value := $labels }}{{ $name }}={{ $value }} {{ end }}".to_owned();
        }
    };
    by.iter().map(|label| format!("{label}={{{{ $labels.{label} }}}}")).collect::<Vec<_>>().join(" ")
}
