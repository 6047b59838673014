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

/// All of them.
pub const CATALOGUE: &[Metric] = &[
    gauge("plimsoll_build_info", &["version"], "Always 1; the version that runs."),
    // Ingest: received = accepted + dropped.
    counter("plimsoll_ingest_received_total", &["endpoint"], "Events that arrived."),
    counter("plimsoll_ingest_accepted_total", &["endpoint"], "Events that were counted."),
    counter("plimsoll_ingest_dropped_total", &["endpoint", "reason"], "Events that were not counted, by reason."),
    // Series and journal.
    gauge("plimsoll_series", &[], "Live series in memory."),
    counter("plimsoll_series_dropped_total", &["reason"], "Events that were not recorded, by reason."),
    counter("plimsoll_series_late_total", &[], "Events whose slot had closed and that were counted on arrival."),
    gauge("plimsoll_limit_used", &["limit"], "How much of a limit is used, in its own unit."),
    gauge("plimsoll_limit_allowed", &["limit"], "The limit."),
    counter("plimsoll_limit_refused_total", &["limit"], "Events that were refused because of a limit."),
    gauge("plimsoll_vitals_pending", &[], "Web vitals that have not settled."),
    counter("plimsoll_vitals_settled_total", &[], "Web vitals that have settled."),
    counter("plimsoll_journal_commits_total", &[], "Group commits of the journal."),
    counter("plimsoll_journal_bytes_total", &[], "Bytes written to the journal."),
    counter("plimsoll_journal_errors_total", &[], "Commits that failed."),
    counter("plimsoll_journal_commit_seconds_total", &[], "Time spent in commits."),
    gauge("plimsoll_journal_queue_length", &[], "Batches that wait for the journal."),
    counter("plimsoll_history_samples_total", &[], "Samples of the past that entered the pages of their time."),
    gauge("plimsoll_history_waiting_samples", &[], "Samples of the past that wait for the next tick."),
    gauge(
        "plimsoll_journal_missing_entries",
        &[],
        "Acknowledged entries that the last start found nowhere: a lost or damaged segment.",
    ),
    counter("plimsoll_archive_ticks_total", &[], "Ticks that were archived."),
    counter("plimsoll_archive_errors_total", &[], "Commits of the archive that failed; each is tried again."),
    // The clock.
    counter("plimsoll_clock_steps_total", &["direction"], "How often the wall clock was set: back, forward."),
    gauge("plimsoll_clock_lead_seconds", &[], "By how much our time is ahead of a wall clock that was set back."),
    counter(
        "plimsoll_archive_damaged_total",
        &[],
        "Pages and ticks of the archive that could not be read and were left out.",
    ),
    // Evaluation.
    counter("plimsoll_evaluations_total", &[], "Evaluations of all objectives."),
    gauge("plimsoll_evaluation_duration_seconds", &[], "How long the last evaluation took."),
    gauge("plimsoll_evaluation_lag_seconds", &[], "How late the last evaluation began."),
    counter("plimsoll_evaluation_missed_total", &[], "Evaluations that were due while another ran."),
    counter("plimsoll_evaluation_failures_total", &[], "Objectives that could not be evaluated, each time."),
    // Alerts and pages.
    gauge("plimsoll_incidents_open", &["severity"], "Incidents that are firing or acknowledged."),
    counter("plimsoll_notifications_total", &["channel", "outcome"], "Attempts to send a message."),
    counter("plimsoll_notification_latency_seconds_sum", &[], "Time from due to delivered."),
    counter("plimsoll_notification_latency_seconds_count", &[], "Messages that were delivered."),
    // Queries over HTTP.
    gauge("plimsoll_queries_running", &[], "PromQL queries that are being answered."),
    counter("plimsoll_queries_total", &["outcome"], "PromQL queries that have ended, by outcome."),
    // Collectors.
    counter("plimsoll_collector_cycles_total", &["collector"], "Cycles that were run."),
    counter("plimsoll_collector_failures_total", &["collector"], "Cycles that gave nothing."),
    counter("plimsoll_collector_skipped_total", &["collector"], "Beats that passed while a cycle still ran."),
    counter("plimsoll_collector_unrecorded_total", &["collector"], "Cycles that could not be recorded."),
    gauge("plimsoll_collector_duration_seconds", &["collector"], "How long the last cycle took."),
    // The whole.
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
