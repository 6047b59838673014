//! What INFO does not say: the slow log, the latency monitor, the cluster.
//!
//! The arguments of slow commands are not read on purpose: they are the users' data.

use redis::Value;

/// A metric, its label and its value.
pub(super) type Sample = (String, Option<(&'static str, String)>, f64);

/// A command that the server may refuse.
pub(super) struct Extra {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
    pub(super) cluster_only: bool,
    pub(super) read: fn(&Value) -> Vec<Sample>,
}

pub(super) const ALL: [Extra; 4] = [
    Extra { name: "SLOWLOG LEN", words: &["SLOWLOG", "LEN"], cluster_only: false, read: slowlog_length },
    Extra { name: "SLOWLOG GET", words: &["SLOWLOG", "GET", "1"], cluster_only: false, read: slowlog_last },
    Extra { name: "LATENCY LATEST", words: &["LATENCY", "LATEST"], cluster_only: false, read: latency },
    Extra { name: "CLUSTER INFO", words: &["CLUSTER", "INFO"], cluster_only: true, read: cluster },
];

fn plain(name: &str, value: f64) -> Sample {
    (format!("redis_{name}"), None, value)
}

fn slowlog_length(answer: &Value) -> Vec<Sample> {
    int(answer).map(|length| plain("slowlog_length", length)).into_iter().collect()
}

/// The id of the newest entry counts all slow commands since the start, however short the log is.
fn slowlog_last(answer: &Value) -> Vec<Sample> {
    let Value::Array(entries) = answer else { return Vec::new() };
    let Some(Value::Array(entry)) = entries.first() else {
        return vec![plain("last_slow_execution_duration_seconds", 0.0)];
    };
    let id = entry.first().and_then(int).map(|id| plain("slowlog_last_id", id));
    let took = entry.get(2).and_then(int).map(|micros| plain("last_slow_execution_duration_seconds", micros / 1e6));
    id.into_iter().chain(took).collect()
}

/// `[[event, when, last, worst], …]`; the server knows about twenty events.
fn latency(answer: &Value) -> Vec<Sample> {
    let Value::Array(events) = answer else { return Vec::new() };
    let mut samples = Vec::new();
    for event in events.iter().take(64) {
        let Value::Array(parts) = event else { continue };
        let Some(name) = parts.first().and_then(text) else { continue };
        let label = || Some(("event_name", name.chars().take(64).collect()));
        if let (Some(at), Some(millis)) = (parts.get(1).and_then(int), parts.get(2).and_then(int)) {
            samples.push(("redis_latency_spike_last".to_owned(), label(), at));
            samples.push(("redis_latency_spike_duration_seconds".to_owned(), label(), millis / 1e3));
        }
    }
    samples
}

fn cluster(answer: &Value) -> Vec<Sample> {
    let text = text(answer).unwrap_or_default();
    let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    fields
        .filter_map(|(field, value)| match field {
            "cluster_state" => Some(plain(field, f64::from(u8::from(value == "ok")))),
            "cluster_stats_messages_sent" => Some(plain("cluster_messages_sent_total", value.parse().ok()?)),
            "cluster_stats_messages_received" => Some(plain("cluster_messages_received_total", value.parse().ok()?)),
            "cluster_slots_assigned"
            | "cluster_slots_ok"
            | "cluster_slots_pfail"
            | "cluster_slots_fail"
            | "cluster_known_nodes"
            | "cluster_size"
            | "cluster_current_epoch"
            | "cluster_my_epoch" => Some(plain(field, value.parse().ok()?)),
            _ => None,
        })
        .collect()
}

fn int(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_slow_logs_arguments_are_not_read() {
        let entry = [Value::Int(41), Value::Int(1_795_227_158), Value::Int(12_500), Value::Array(vec![bulk("secret")])];
        let samples = slowlog_last(&Value::Array(vec![Value::Array(entry.into())]));
        let expected = [plain("slowlog_last_id", 41.0), plain("last_slow_execution_duration_seconds", 0.0125)];
        assert_eq!(samples, expected);
        assert!(!format!("{samples:?}").contains("secret"));
    }

    #[test]
    fn the_clusters_state_and_counts() {
        let samples = cluster(&bulk("cluster_state:fail\r\ncluster_slots_fail:3\r\ncluster_x:1\r\n"));
        assert_eq!(samples, [plain("cluster_state", 0.0), plain("cluster_slots_fail", 3.0)]);
    }

    #[test]
    fn latency_events() {
        let event = Value::Array(vec![bulk("fork"), Value::Int(1_795_227_158), Value::Int(7), Value::Int(9)]);
        let samples = latency(&Value::Array(vec![event]));
        assert_eq!(
            samples[1],
            ("redis_latency_spike_duration_seconds".into(), Some(("event_name", "fork".into())), 0.007)
        );
        assert_eq!(latency(&Value::Nil), []);
    }
}
