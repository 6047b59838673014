//! Names of OpenTelemetry become names of Prometheus: `http.server.request.duration` in `s` is
//! `http_server_request_duration_seconds`.
//!
//! Source: the OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", sections "Metric
//! Metadata" and "Metric Attributes", with the table of units of Prometheus's `otlptranslator`.

/// What of a metric's type shows in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A gauge; its unit `1` becomes `ratio`.
    Gauge,
    /// A monotonic sum; its name ends in `total`.
    Counter,
    /// Anything else.
    Other,
}

/// Units of UCUM and what Prometheus calls them. `1` stands for no unit.
const UNITS: [(&str, &str); 28] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tebibytes"),
    ("kBy", "kilobytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
    ("1", ""),
    ("", ""),
];

/// Units behind `/`, in the singular.
const PER: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// The name of a metric; `None` when nothing of it can be kept.
pub(super) fn metric(name: &str, unit: &str, kind: Kind) -> Option<String> {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut words: Vec<&str> = name.split(|c| !is_kept(c)).filter(|w| !w.is_empty()).collect();
    if words.is_empty() {
        return None;
    }
    let (of, per) = units(unit);
    for suffix in [&of, &per] {
        if !suffix.is_empty() && !words.contains(&suffix.as_str()) {
            words.push(suffix);
        }
    }
    match kind {
        Kind::Counter => move_last(&mut words, "total"),
        Kind::Gauge if unit == "1" => move_last(&mut words, "ratio"),
        Kind::Gauge | Kind::Other => {}
    }
    let joined = words.join("_");
    match joined.chars().next()? {
        digit if digit.is_ascii_digit() => Some(format!("_{joined}")),
        _ => Some(joined),
    }
}

fn move_last<'w>(words: &mut Vec<&'w str>, word: &'w str) {
    words.retain(|w| *w != word);
    words.push(word);
}

/// The unit before the slash, and the one behind it with `per_`. What stands in braces is no unit.
fn units(unit: &str) -> (String, String) {
    let (of, per) = unit.split_once('/').unwrap_or((unit, ""));
    let of = translate(of, &UNITS);
    let per = translate(per, &PER);
    (of, if per.is_empty() { per } else { format!("per_{per}") })
}

fn translate(unit: &str, table: &[(&str, &str)]) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    match table.iter().find(|(u, _)| *u == unit) {
        Some((_, name)) => (*name).to_owned(),
        None => {
            let parts = unit.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|w| !w.is_empty());
            parts.collect::<Vec<_>>().join("_")
        }
    }
}

/// The label of an attribute: what is neither letter nor digit becomes one `_`. A name that would begin with
/// a digit or with `_`, which are not allowed or not ours to give, gets `key` in front, as in Prometheus.
/// `None` when nothing of it can be kept.
pub(super) fn label(key: &str) -> Option<String> {
    let mut name = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || !name.ends_with('_') {
            name.push(c);
        }
    }
    match name.chars().next()? {
        '_' if name.len() == 1 => None,
        '_' => Some(format!("key{name}")),
        c if c.is_ascii_digit() => Some(format!("key_{name}")),
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_prometheus_names_them() {
        use Kind::{Counter, Gauge, Other};
        for (name, unit, kind, expected) in [
            // The specification's and the translator's own examples.
            ("http.server.request.duration", "s", Other, "http_server_request_duration_seconds"),
            ("requests", "", Counter, "requests_total"),
            ("requests_total", "", Counter, "requests_total"),
            ("cpu_usage", "1", Gauge, "cpu_usage_ratio"),
            ("cpu_usage_ratio", "1", Gauge, "cpu_usage_ratio"),
            ("items", "1", Counter, "items_total"),
            ("response_time", "ms", Gauge, "response_time_milliseconds"),
            ("memory_usage", "By", Gauge, "memory_usage_bytes"),
            ("requests", "1/s", Gauge, "requests_per_second"),
            ("throughput", "By/s", Gauge, "throughput_bytes_per_second"),
            ("custom_metric", "custom_unit", Gauge, "custom_metric_custom_unit"),
            ("custom_metric", "{custom}", Gauge, "custom_metric"),
            ("custom_metric", "By/{custom}", Gauge, "custom_metric_bytes"),
            ("custom_metric", "unit@with#special/chars", Gauge, "custom_metric_unit_with_special_per_chars"),
            ("response_time_seconds", "s", Gauge, "response_time_seconds"),
            ("cpu_seconds_total", "s", Counter, "cpu_seconds_total"),
            ("system.io", "By", Counter, "system_io_bytes_total"),
            ("metric__with__multiple__underscores", "unit__x", Gauge, "metric_with_multiple_underscores_unit_x"),
            ("123.metric", "", Gauge, "_123_metric"),
            ("active_connections", "", Other, "active_connections"),
            ("jvm.cpu.recent_utilization", "1", Gauge, "jvm_cpu_recent_utilization_ratio"),
            ("db.client.connection.count", "{connection}", Other, "db_client_connection_count"),
            ("uptime", "d", Gauge, "uptime_days"),
        ] {
            assert_eq!(metric(name, unit, kind).as_deref(), Some(expected), "{name} {unit}");
        }
        assert_eq!(metric("@#$%", "", Gauge), None);
        assert_eq!(metric("", "s", Counter), None);
    }

    #[test]
    fn labels_are_named_as_prometheus_names_them() {
        for (key, expected) in [
            ("http.request.method", Some("http_request_method")),
            ("a..b--c", Some("a_b_c")),
            ("_hidden", Some("key_hidden")),
            ("__name__", Some("key_name_")),
            ("404.count", Some("key_404_count")),
            ("grün", Some("gr_n")),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(label(key).as_deref(), expected, "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_one_of_prometheus(name in "\\PC{0,30}", unit in "\\PC{0,10}") {
            for kind in [Kind::Gauge, Kind::Counter, Kind::Other] {
                if let Some(metric) = metric(&name, &unit, kind) {
                    proptest::prop_assert!(crate::base::labels::is_metric_name(&metric), "{metric:?}");
                }
            }
            if let Some(label) = label(&name) {
                proptest::prop_assert!(crate::base::labels::is_label_name(&label) && !label.starts_with('_'));
            }
        }
    }
}
