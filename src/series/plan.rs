//! Decides, before anything is written, what of a group of batches counts, and in which slot. The journal
//! gets decisions, so a replay has none to take.
//!
//! What depends on the ledger alone (duplicate, superseded, late) is decided when the entry is applied: the
//! ledger's state is a function of the sequence of entries, so a replay comes to the same.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{DropReason, LabelMap, Labels, Timestamp};
use crate::promql::source::is_stale;

use super::batch::{Batch, Delta, Item, Observation, Recorded};
use super::census::Census;
use super::entry::{Change, Draft, Settlement};
use super::head::Head;
use super::index::SeriesRef;
use super::limits;
use super::native::stale_marker;
use super::settings::{Limits, Settings};
use super::slot::Slot;
use super::total::SeriesKind;
use super::vitals::VitalReport;

/// Samples may be stamped this far ahead of our clock.
const AHEAD: Duration = Duration::from_secs(600);
/// Web vitals that settle in one entry.
const SETTLE_AT_ONCE: usize = 10_000;

/// The outcome of planning.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) draft: Draft,
    /// Series to create, at the places that the head has for them.
    pub(super) fresh: Vec<(Labels, SeriesKind)>,
    /// For each report of the draft, which batch it came in.
    pub(super) report_of: Vec<usize>,
    /// For each batch.
    pub(super) recorded: Vec<Recorded>,
    /// Events that count on arrival because their slot has closed.
    pub(super) late: u64,
    /// Events that count, reports included.
    pub(super) events: u64,
}

/// Plans the batches of one group.
pub(super) struct Planner<'a> {
    head: &'a Head,
    limits: &'a Limits,
    now: Timestamp,
    /// Samples of this time and before are not kept any more.
    oldest: Timestamp,
    current: Slot,
    fresh_by_labels: LabelMap<usize>,
    fresh: Census,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(head: &'a Head, settings: &'a Settings, now: Timestamp) -> Self {
        let current = head.current_slot(now);
        Self {
            head,
            limits: &settings.limits,
            now,
            oldest: now - settings.keep.resolution_1h,
            current,
            fresh_by_labels: LabelMap::default(),
            fresh: Census::default(),
            plan: Plan::default(),
        }
    }

    /// The plan for what was due to settle at `settle_until`, and for these batches.
    pub(super) fn run(mut self, batches: Vec<Batch>, settle_until: Timestamp) -> Plan {
        self.settle(settle_until);
        for (i, batch) in batches.into_iter().enumerate() {
            let mut dropped = Recorded::default();
            for item in batch.items {
                let events = events(&item);
                match self.item(item) {
                    Ok(()) => self.plan.events += events,
                    Err(reason) => note(&mut dropped, reason, events),
                }
            }
            for report in batch.vitals {
                match self.report(report, i) {
                    Ok(()) => self.plan.events += 1,
                    Err(reason) => note(&mut dropped, reason, 1),
                }
            }
            self.plan.recorded.push(dropped);
        }
        self.plan
    }

    fn settle(&mut self, until: Timestamp) {
        let head = self.head;
        for pending in head.ledger.due(until, SETTLE_AT_ONCE) {
            let report = &pending.report;
            // Its series was entered with its first report and stays while it waits.
            if let Ok(series) = self.resolve(&report.labels, SeriesKind::Histogram) {
                let (slot, value, weight) = (self.current, report.value, report.weight);
                self.plan.draft.settlements.push((series, Settlement { key: report.key.clone(), slot, value, weight }));
            }
        }
    }

    fn item(&mut self, item: Item) -> Result<(), DropReason> {
        let change = match item.delta {
            Delta::Add(v) if !(v.is_finite() && v >= 0.0) => return Err(DropReason::Implausible),
            Delta::Observe(ref o) if !o.iter().all(plausible) => return Err(DropReason::Implausible),
            Delta::Observe(ref o) if o.is_empty() => return Ok(()),
            Delta::Add(v) => Change::Add(self.slot(item.at, 1), v),
            Delta::Observe(o) => Change::Observe(self.slot(item.at, o.len() as u64), o),
            Delta::Sample(v) if is_stale(v) && self.is_native(&item.labels) => {
                Change::Distribution(item.at, Arc::new(stale_marker()))
            }
            Delta::Sample(v) if self.is_past(item.at) => Change::Past(item.at, v),
            Delta::Sample(v) => Change::Sample(item.at, v),
            Delta::Distribution(h) => Change::Distribution(item.at, h),
        };
        // What is refused must not take the place of a series.
        self.in_time(&change)?;
        let series = self.resolve(&item.labels, kind(&change))?;
        let is_new = match &change {
            Change::Sample(at, value) => self.in_order(series, *at, Some(*value))?,
            Change::Distribution(at, _) => self.in_order(series, *at, None)?,
            Change::Add(..) | Change::Observe(..) | Change::Past(..) => true,
        };
        if is_new {
            self.plan.draft.changes.push((series, change));
        }
        Ok(())
    }

    fn report(&mut self, report: VitalReport, batch: usize) -> Result<(), DropReason> {
        let observation = Observation { value: report.value, weight: report.weight };
        if !plausible(&observation) {
            return Err(DropReason::Implausible);
        }
        let series = self.resolve(&report.labels, SeriesKind::Histogram)?;
        self.plan.draft.reports.push((series, report));
        self.plan.report_of.push(batch);
        Ok(())
    }

    /// The event's own slot while it is open, else the current one.
    fn slot(&mut self, at: Timestamp, events: u64) -> Slot {
        let own = Slot::of(at);
        if own <= self.head.closed {
            self.plan.late += events;
            return self.current;
        }
        own.min(self.current)
    }

    /// Whether it is older than what readers look for beyond the range that they are asked for.
    fn is_past(&self, at: Timestamp) -> bool {
        Slot::of(at) <= self.head.sample_floor
    }

    /// Not of the future, and not older than what is kept.
    fn in_time(&self, change: &Change) -> Result<(), DropReason> {
        let is_in_time = match change {
            Change::Past(at, _) => *at > self.oldest,
            Change::Sample(at, _) | Change::Distribution(at, _) => *at <= self.now + AHEAD && !self.is_past(*at),
            Change::Add(..) | Change::Observe(..) => true,
        };
        if is_in_time { Ok(()) } else { Err(DropReason::OutOfRange) }
    }

    /// A sample must be newer than what has closed of its series. The newest one may come again as it was: its
    /// sender has not heard our answer. `Ok(false)` is for that.
    fn in_order(&self, series: SeriesRef, at: Timestamp, value: Option<f64>) -> Result<bool, DropReason> {
        let closed = self.head.get(series).filter(|s| at <= s.closed_sample());
        let Some(closed) = closed else { return Ok(true) };
        let same = |(t, v): (Timestamp, f64)| t == at && value.is_some_and(|value| value.to_bits() == v.to_bits());
        if closed.newest().is_some_and(same) { Ok(false) } else { Err(DropReason::OutOfOrder) }
    }

    /// Whether these are the labels of a native histogram. Scrapers end one with a plain staleness marker.
    fn is_native(&self, labels: &Labels) -> bool {
        let series = self.head.by_labels.get(labels).and_then(|r| self.head.get(*r));
        series.is_some_and(|s| s.kind == SeriesKind::Native)
    }

    fn resolve(&mut self, labels: &Labels, kind: SeriesKind) -> Result<SeriesRef, DropReason> {
        if let Some(r) = self.head.by_labels.get(labels) {
            let same = self.head.get(*r).is_some_and(|s| s.kind == kind);
            return if same { Ok(*r) } else { Err(DropReason::Invalid) };
        }
        if let Some(before) = self.fresh_by_labels.get(labels) {
            let same = self.plan.fresh[*before].1 == kind;
            return if same { Ok(self.head.place_of_new(*before)) } else { Err(DropReason::Invalid) };
        }
        self.create(labels, kind)
    }

    fn create(&mut self, labels: &Labels, kind: SeriesKind) -> Result<SeriesRef, DropReason> {
        limits::check_form(labels, kind, self.limits)?;
        let total = self.head.by_labels.len() + self.plan.fresh.len();
        limits::check_room(labels, self.head, &self.fresh, total, self.limits)?;
        self.fresh.enter(labels);
        let before = self.plan.fresh.len();
        self.plan.fresh.push((labels.clone(), kind));
        self.fresh_by_labels.insert(labels.clone(), before);
        Ok(self.head.place_of_new(before))
    }
}

fn plausible(o: &Observation) -> bool {
    o.value.is_finite() && o.value >= 0.0 && o.weight > 0
}

fn kind(change: &Change) -> SeriesKind {
    match change {
        Change::Add(..) => SeriesKind::Counter,
        Change::Observe(..) => SeriesKind::Histogram,
        Change::Sample(..) | Change::Past(..) => SeriesKind::Sample,
        Change::Distribution(..) => SeriesKind::Native,
    }
}

fn events(item: &Item) -> u64 {
    match &item.delta {
        Delta::Observe(o) => o.len() as u64,
        Delta::Add(_) | Delta::Sample(_) | Delta::Distribution(_) => 1,
    }
}

/// Adds to what was dropped.
pub(super) fn note(recorded: &mut Recorded, reason: DropReason, events: u64) {
    match recorded.dropped.iter_mut().find(|(r, _)| *r == reason) {
        Some((_, n)) => *n += events,
        None => recorded.dropped.push((reason, events)),
    }
}
