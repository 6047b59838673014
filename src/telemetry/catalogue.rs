//! What we measure about ourselves: the names, in one place.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One metric of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, with its unit.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The labels it may carry, beside none.
    pub labels: &'static [&'static str],
    /// One sentence for `# HELP`.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

/// All of them. Durations come as `_sum` and `_count` (mean and rate) and `_max` (the worst since the start
/// of the minute before), which is what alerts on our own health need.
pub const CATALOGUE: &[Metric] = &[
    gauge("plimsoll_build_info", &["version"], "Always 1; the version that runs."),
    // Ingest: received = accepted + dropped.
    counter("plimsoll_ingest_received_total", &["endpoint"], "Events that arrived."),
    counter("plimsoll_ingest_accepted_total", &["endpoint"], "Events that were counted."),
    counter("plimsoll_ingest_dropped_total", &["endpoint", "reason"], "Events that were not counted, by reason."),
    // Series and journal.
    gauge("plimsoll_series", &[], "Live series in memory."),
    counter("plimsoll_series_dropped_total", &["reason"], "Items that were not recorded, by reason."),
    counter("plimsoll_journal_commits_total", &[], "Group commits of the journal."),
    counter("plimsoll_journal_entries_total", &[], "Batches that were committed."),
    counter("plimsoll_journal_errors_total", &[], "Commits that failed."),
    gauge("plimsoll_journal_bytes", &[], "Size of what is not archived yet."),
    gauge("plimsoll_journal_queue_length", &[], "Batches that wait for the journal."),
    counter("plimsoll_journal_commit_seconds_sum", &[], "Time spent in commits."),
    counter("plimsoll_journal_commit_seconds_count", &[], "Commits that were timed."),
    gauge("plimsoll_journal_commit_seconds_max", &[], "The slowest commit of the last minute or two."),
    counter("plimsoll_archive_slots_total", &[], "Closed slots that were archived."),
    gauge("plimsoll_archive_lag_seconds", &[], "Age of the oldest closed slot that is not archived."),
    // Evaluation.
    counter("plimsoll_evaluation_duration_seconds_sum", &[], "Time spent evaluating objectives."),
    counter("plimsoll_evaluation_duration_seconds_count", &[], "Evaluations of all objectives."),
    gauge("plimsoll_evaluation_duration_seconds_max", &[], "The slowest evaluation of the last minute or two."),
    gauge("plimsoll_evaluation_lag_seconds", &[], "How late the last evaluation began."),
    counter("plimsoll_evaluation_missed_total", &[], "Evaluations that were due while another ran."),
    counter("plimsoll_evaluation_failures_total", &["objective"], "Evaluations of an objective that failed."),
    // Alerts and pages.
    gauge("plimsoll_incidents_open", &["severity"], "Incidents that are firing or acknowledged."),
    counter("plimsoll_incident_acknowledge_seconds_sum", &[], "Time from firing to acknowledgement."),
    counter("plimsoll_incident_acknowledge_seconds_count", &[], "Incidents that were acknowledged."),
    gauge("plimsoll_incident_acknowledge_seconds_max", &[], "The longest of the last minute or two."),
    counter("plimsoll_incident_resolve_seconds_sum", &[], "Time from firing to resolution."),
    counter("plimsoll_incident_resolve_seconds_count", &[], "Incidents that were resolved."),
    gauge("plimsoll_incident_resolve_seconds_max", &[], "The longest of the last minute or two."),
    counter("plimsoll_notifications_total", &["channel", "outcome"], "Attempts to send a message."),
    counter("plimsoll_notification_latency_seconds_sum", &["channel"], "Time from due to delivered."),
    counter("plimsoll_notification_latency_seconds_count", &["channel"], "Messages that were delivered."),
    gauge("plimsoll_notification_latency_seconds_max", &["channel"], "The longest of the last minute or two."),
    gauge("plimsoll_notifications_pending", &[], "Messages that are due or leased."),
    // Collectors.
    counter("plimsoll_collector_cycles_total", &["collector"], "Cycles that were run."),
    counter("plimsoll_collector_failures_total", &["collector"], "Cycles that gave nothing."),
    counter("plimsoll_collector_skipped_total", &["collector"], "Beats that passed while a cycle still ran."),
    counter("plimsoll_collector_unrecorded_total", &["collector"], "Cycles that could not be recorded."),
    gauge("plimsoll_collector_duration_seconds", &["collector"], "How long the last cycle took."),
    // The HTTP side and the whole.
    counter("plimsoll_http_requests_total", &["route", "status"], "Requests that were answered."),
    counter("plimsoll_http_request_duration_seconds_sum", &["route"], "Time spent answering."),
    counter("plimsoll_http_request_duration_seconds_count", &["route"], "Requests that were timed."),
    gauge("plimsoll_http_request_duration_seconds_max", &["route"], "The slowest of the last minute or two."),
    counter("plimsoll_logs_total", &["level"], "Lines logged at warning or error."),
    gauge("plimsoll_overhead_ratio", &[], "Processor seconds of this process per second and processor."),
    // This process, as every Prometheus client names it.
    counter("process_cpu_seconds_total", &[], "Processor time, user and system."),
    gauge("process_resident_memory_bytes", &[], "Memory in use."),
    gauge("process_virtual_memory_bytes", &[], "Address space in use."),
    gauge("process_open_fds", &[], "Open file descriptors."),
    gauge("process_max_fds", &[], "The limit of open file descriptors."),
    gauge("process_start_time_seconds", &[], "When the process started, Unix seconds."),
    gauge("process_threads", &[], "Threads of the operating system."),
];

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    CATALOGUE.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::labels::{is_label_name, is_metric_name};

    #[test]
    fn names_are_unique_and_say_their_kind() {
        for (i, metric) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..i].iter().all(|m| m.name != metric.name), "{} twice", metric.name);
            assert!(is_metric_name(metric.name) && metric.labels.iter().all(|l| is_label_name(l)));
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            let grows = ["_total", "_sum", "_count"].iter().any(|s| metric.name.ends_with(s));
            assert_eq!(metric.kind == Kind::Counter, grows, "{}", metric.name);
        }
    }
}
