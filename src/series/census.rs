//! How many series each service and each metric has, for the limits.

use std::collections::HashMap;

use crate::base::Labels;

/// The label by which series are limited.
pub(super) const SERVICE: &str = "service_name";

type Counts = HashMap<Box<str>, usize>;

/// Counts series by service and by metric.
#[derive(Debug, Default)]
pub(super) struct Census {
    services: Counts,
    metrics: Counts,
}

impl Census {
    pub(super) fn enter(&mut self, labels: &Labels) {
        add(&mut self.metrics, labels.metric_name());
        if let Some(service) = labels.get(SERVICE) {
            add(&mut self.services, service);
        }
    }

    pub(super) fn leave(&mut self, labels: &Labels) {
        take(&mut self.metrics, labels.metric_name());
        take(&mut self.services, labels.value(SERVICE));
    }

    pub(super) fn of_service(&self, service: &str) -> usize {
        self.services.get(service).copied().unwrap_or(0)
    }

    pub(super) fn of_metric(&self, metric: &str) -> usize {
        self.metrics.get(metric).copied().unwrap_or(0)
    }

    /// The service with the most series.
    pub(super) fn fullest_service(&self) -> Option<(&str, usize)> {
        fullest(&self.services)
    }

    /// The metric with the most series.
    pub(super) fn fullest_metric(&self) -> Option<(&str, usize)> {
        fullest(&self.metrics)
    }
}

fn add(counts: &mut Counts, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.into(), 1)),
    }
}

fn take(counts: &mut Counts, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

fn fullest(counts: &Counts) -> Option<(&str, usize)> {
    counts.iter().map(|(name, count)| (name.as_ref(), *count)).max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_of_those_who_left() {
        let mut census = Census::default();
        let a = Labels::metric("m", [(SERVICE, "s")]);
        let b = Labels::metric("m", [("x", "y")]);
        census.enter(&a);
        census.enter(&b);
        assert_eq!((census.of_metric("m"), census.of_service("s"), census.of_service("")), (2, 1, 0));
        assert_eq!((census.fullest_metric(), census.fullest_service()), (Some(("m", 2)), Some(("s", 1))));
        census.leave(&a);
        census.leave(&b);
        assert!(census.metrics.is_empty() && census.services.is_empty());
    }
}
