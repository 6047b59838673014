//! Web vitals by route: settled and provisional values together, rated by counting views.
//!
//! A metric is good when at least 75 % of the views are at or below its good bound: the same as "the p75 is
//! good", but an exact comparison of counts. The p75 itself is for people to look at.

use std::collections::BTreeMap;

use crate::base::Labels;
use crate::ingest::vitals::{VITALS, Vital};
use crate::series::PendingVital;
use crate::sketch::{Bounds, Histogram};

/// Those that browsers report today.
pub(super) fn vitals() -> impl Iterator<Item = &'static Vital> {
    VITALS.iter().filter(|v| v.name != "FID")
}

/// Good, needs improvement, poor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rating {
    Good,
    Middling,
    Poor,
}

/// One vital of one route.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    values: Histogram,
    /// How many of the views have not settled.
    pub provisional: u64,
    good: f64,
    poor: f64,
}

impl Cell {
    fn new(vital: &Vital) -> Self {
        let bounds = Bounds::new([vital.good, vital.fair]).unwrap_or_else(|_| Bounds::none());
        Self { values: Histogram::new(bounds), provisional: 0, good: vital.good, poor: vital.fair }
    }

    /// How many views have this vital.
    pub(super) fn count(&self) -> u64 {
        self.values.count()
    }

    /// To 1.1 %.
    pub(super) fn p75(&self) -> Option<f64> {
        self.values.quantile(0.75)
    }

    /// The shares of good, middling and poor views.
    pub(super) fn shares(&self) -> [f64; 3] {
        let total = self.count().max(1) as f64;
        let good = self.values.count_le(self.good).unwrap_or(0) as f64 / total;
        let not_poor = self.values.count_le(self.poor).unwrap_or(0) as f64 / total;
        [good, not_poor - good, 1.0 - not_poor]
    }

    /// By counts: `None` without views.
    pub(super) fn rating(&self) -> Option<Rating> {
        let within = |bound| 4 * self.values.count_le(bound).unwrap_or(0) >= 3 * self.count();
        match () {
            () if self.count() == 0 => None,
            () if within(self.good) => Some(Rating::Good),
            () if within(self.poor) => Some(Rating::Middling),
            () => Some(Rating::Poor),
        }
    }
}

/// Soft navigations are much faster than loads and stand apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub service: String,
    pub route: String,
    pub soft: bool,
}

impl RowKey {
    fn of(labels: &Labels) -> Self {
        Self {
            service: labels.value("service_name").to_owned(),
            route: labels.value("route").to_owned(),
            soft: labels.value("navigation_type") == "soft-navigation",
        }
    }
}

/// One route with its vitals, in the order of [`vitals`].
pub(super) struct Row {
    pub key: RowKey,
    pub cells: Vec<Cell>,
}

impl Row {
    /// Views: those of the vital that most views have.
    pub(super) fn views(&self) -> u64 {
        self.cells.iter().map(Cell::count).max().unwrap_or(0)
    }

    fn add<'a>(rows: &'a mut BTreeMap<RowKey, Self>, labels: &Labels, vital: usize) -> Option<&'a mut Cell> {
        let key = RowKey::of(labels);
        let row = rows.entry(key.clone()).or_insert_with(|| Self { key, cells: vitals().map(Cell::new).collect() });
        row.cells.get_mut(vital)
    }
}

/// Rows, most views first. `settled[i]` belongs to the `i`th of [`vitals`].
pub(super) fn rows(settled: &[Vec<(Labels, Histogram)>], pending: &[PendingVital]) -> Vec<Row> {
    let mut rows = BTreeMap::new();
    for (i, series) in settled.iter().enumerate() {
        for (labels, values) in series {
            if let Some(cell) = Row::add(&mut rows, labels, i) {
                cell.values.merge(values);
            }
        }
    }
    for vital in pending {
        let index = vitals().position(|v| v.metric == vital.labels.metric_name());
        if let Some(cell) = index.and_then(|i| Row::add(&mut rows, &vital.labels, i)) {
            cell.values.observe_n(vital.value, u64::from(vital.weight));
            cell.provisional += u64::from(vital.weight);
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.views()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::series::MetricCatalog;

    fn labels(route: &str) -> Labels {
        Labels::metric("web_vitals_inp_seconds", [("service_name", "shop"), ("route", route)])
    }

    fn settled(values: &[f64]) -> Vec<Vec<(Labels, Histogram)>> {
        let mut histogram = Histogram::new(MetricCatalog::default().bounds("web_vitals_inp_seconds"));
        values.iter().for_each(|v| histogram.observe(*v));
        let mut all: Vec<Vec<_>> = vitals().map(|_| Vec::new()).collect();
        all[1].push((labels("/cart"), histogram));
        all
    }

    fn pending(value: f64) -> PendingVital {
        PendingVital { labels: labels("/cart"), value, weight: 1, start: Timestamp::from_secs(0) }
    }

    #[test]
    fn a_rating_is_exactly_three_quarters_of_the_views() {
        // 200 ms is still good, and exactly 3 of 4 are enough.
        let rows_of = |values: &[f64], extra: &[PendingVital]| rows(&settled(values), extra);
        let good = rows_of(&[0.1, 0.2, 0.2, 0.6], &[]);
        assert_eq!(good[0].cells[1].rating(), Some(Rating::Good));
        assert_eq!(good[0].cells[1].shares(), [0.75, 0.0, 0.25]);
        let one_more = rows_of(&[0.1, 0.2, 0.2, 0.6], &[pending(0.201)]);
        assert_eq!(one_more[0].cells[1].rating(), Some(Rating::Middling));
        assert_eq!((one_more[0].cells[1].provisional, one_more[0].cells[1].count()), (1, 5));
        assert_eq!(rows_of(&[0.6], &[])[0].cells[1].rating(), Some(Rating::Poor));
        assert_eq!(good[0].cells[0].rating(), None);
    }

    #[test]
    fn a_route_that_is_only_provisional_is_there() {
        let empty: Vec<Vec<_>> = vitals().map(|_| Vec::new()).collect();
        let rows = rows(&empty, &[pending(0.1)]);
        assert_eq!((rows[0].views(), rows[0].key.route.as_str()), (1, "/cart"));
        assert_eq!(rows[0].cells[1].rating(), Some(Rating::Good));
    }
}
