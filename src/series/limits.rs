//! The limits of series: which are reached, and why a new series is not taken. Series that are there go on
//! whatever is reached.

use crate::base::{DropReason, Labels};

use super::census::{Census, SERVICE};
use super::counters::Counters;
use super::head::Head;
use super::settings::{Limits, Settings};
use super::total::SeriesKind;

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// Its key under `limits` of the service file.
    pub name: &'static str,
    /// In the unit that the key is written in, the fullest of its kind; `None`: it holds for each datum alone.
    pub used: Option<u64>,
    /// In the same unit.
    pub allowed: u64,
    /// The reason under which refusals are counted; limits that share one share the number.
    pub reason: DropReason,
    /// Events that were refused since the start of the process.
    pub refused: u64,
    /// Which service or metric is the fullest.
    pub fullest: Option<String>,
}

/// Whether a series of these labels may be one at all.
pub(super) fn check_form(labels: &Labels, kind: SeriesKind, limits: &Limits) -> Result<(), DropReason> {
    // The buckets of a histogram carry `le`; it has none of its own.
    if labels.metric_name().is_empty() || (kind.has_four_names() && labels.get("le").is_some()) {
        return Err(DropReason::Invalid);
    }
    if labels.len() > limits.labels_per_series {
        return Err(DropReason::TooManyLabels);
    }
    let too_long =
        |(name, value): (&str, &str)| name.len() > limits.label_name_bytes || value.len() > limits.label_value_bytes;
    if labels.iter().any(too_long) { Err(DropReason::TooLong) } else { Ok(()) }
}

/// Whether there is room for one more series beside those that live and those that are about to.
pub(super) fn check_room(
    labels: &Labels,
    head: &Head,
    fresh: &Census,
    total: usize,
    limits: &Limits,
) -> Result<(), DropReason> {
    if total >= limits.series {
        return Err(DropReason::SeriesLimit);
    }
    let service = labels.value(SERVICE);
    // What has no service is not limited as one.
    if head.census.of_service(service) + fresh.of_service(service) >= limits.series_per_service {
        return Err(DropReason::ServiceSeriesLimit);
    }
    let metric = labels.metric_name();
    if head.census.of_metric(metric) + fresh.of_metric(metric) >= limits.series_per_metric {
        return Err(DropReason::MetricSeriesLimit);
    }
    Ok(())
}

/// All limits of the series, as they are used now.
pub(super) fn in_use(head: &Head, counters: &Counters, settings: &Settings) -> Vec<LimitUse> {
    let limits = &settings.limits;
    let row = |name, used: Option<usize>, allowed: usize, reason: DropReason| LimitUse {
        name,
        used: used.map(|n| n as u64),
        allowed: allowed as u64,
        reason,
        refused: counters.dropped_for(reason),
        fullest: None,
    };
    let of = |name, fullest: Option<(&str, usize)>, allowed, reason| LimitUse {
        fullest: fullest.map(|(name, _)| name.to_owned()),
        ..row(name, Some(fullest.map_or(0, |(_, n)| n)), allowed, reason)
    };
    let queued = usize::try_from(counters.queue_depth.get()).unwrap_or(usize::MAX);
    vec![
        row("series", Some(head.by_labels.len()), limits.series, DropReason::SeriesLimit),
        of(
            "series_per_service",
            head.census.fullest_service(),
            limits.series_per_service,
            DropReason::ServiceSeriesLimit,
        ),
        of("series_per_metric", head.census.fullest_metric(), limits.series_per_metric, DropReason::MetricSeriesLimit),
        row("labels_per_series", None, limits.labels_per_series, DropReason::TooManyLabels),
        row("label_name", None, limits.label_name_bytes, DropReason::TooLong),
        row("label_value", None, limits.label_value_bytes, DropReason::TooLong),
        row("batch", None, limits.batch, DropReason::TooLarge),
        row("queue", Some(queued), settings.queue, DropReason::Overloaded),
    ]
}
