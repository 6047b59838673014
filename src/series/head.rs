//! The head: all that is in memory. Changed by the writer's thread alone (the loop drops what it has
//! compacted); read by everyone, in short sections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{DropReason, LabelMap, Labels, Timestamp};
use crate::sketch::Bounds;

use super::MetricCatalog;
use super::archive::{SeriesDef, Tick};
use super::data::Series;
use super::entry::{Change, Draft};
use super::index::{Index, SeriesRef};
use super::ledger::{Ledger, LedgerSettings};
use super::live::Live;
use super::settings::Settings;
use super::slot::{Slot, slots_in};
use super::tick::TickWriter;
use super::total::SeriesKind;

/// Events may name a slot this long after its end.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(120);
/// A block is compacted this long after its end; samples of their own time may come as late.
pub(super) const GRACE: Duration = Duration::from_secs(3600);
/// The label by which series are limited.
pub(super) const SERVICE: &str = "service_name";

/// See the module.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) series: Vec<Series>,
    pub(super) by_labels: LabelMap<SeriesRef>,
    pub(super) by_id: HashMap<u64, SeriesRef>,
    pub(super) index: Index,
    pub(super) next_id: u64,
    pub(super) live: Arc<Live>,
    /// Every slot up to this one is closed.
    pub(super) closed: Slot,
    /// The last entry of the journal that is contained.
    pub(super) entry: u64,
    /// Samples in slots up to this one come too late.
    pub(super) sample_floor: Slot,
    /// The first block that is in memory.
    pub(super) memory_from: i64,
    pub(super) ledger: Ledger,
    pub(super) per_service: HashMap<String, usize>,
    catalog: MetricCatalog,
    bounds: HashMap<String, Bounds>,
    fresh: Vec<SeriesRef>,
    retired: Vec<u64>,
    idle_slots: i64,
}

impl Head {
    pub(super) fn new(settings: &Settings, catalog: MetricCatalog, now: Timestamp) -> Self {
        let ledger = LedgerSettings {
            settle: settings.settle,
            pending: settings.limits.pending_vitals,
            settled: settings.limits.settled_vitals,
        };
        let closed = Slot::ended_by(now - OPEN_FOR);
        let memory_from = Slot::of(now - GRACE).block();
        Self {
            series: Vec::new(),
            by_labels: LabelMap::default(),
            by_id: HashMap::new(),
            index: Index::default(),
            next_id: 1,
            live: Arc::default(),
            closed,
            entry: 0,
            sample_floor: Slot::last_of_block(memory_from - 1),
            memory_from,
            ledger: Ledger::new(ledger),
            per_service: HashMap::new(),
            catalog,
            bounds: HashMap::new(),
            fresh: Vec::new(),
            retired: Vec::new(),
            idle_slots: slots_in(settings.idle),
        }
    }

    /// The slot that increments enter when their own is closed, or is yet to come.
    pub(super) fn current_slot(&self, now: Timestamp) -> Slot {
        Slot::of(now).max(self.closed.plus(1))
    }

    pub(super) fn get(&self, series: SeriesRef) -> Option<&Series> {
        self.series.get(series as usize)
    }

    /// Enters a series that the next tick will define in the archive.
    pub(super) fn create(&mut self, labels: Labels, kind: SeriesKind) -> SeriesRef {
        let id = self.next_id;
        let series = self.insert(SeriesDef { id, labels, kind, retired: false });
        self.fresh.push(series);
        series
    }

    /// Enters a series that the archive knows.
    pub(super) fn insert(&mut self, def: SeriesDef) -> SeriesRef {
        let bounds = if def.kind == SeriesKind::Histogram { self.bounds_of(&def.labels) } else { Bounds::none() };
        let mut series = Series::new(def.id, def.labels, def.kind, bounds);
        series.retired = def.retired;
        series.touched = self.closed;
        let r = self.series.len() as SeriesRef;
        self.index.insert(r, &series.labels);
        self.by_id.insert(def.id, r);
        self.next_id = self.next_id.max(def.id + 1);
        if !def.retired {
            *self.per_service.entry(series.labels.value(SERVICE).to_owned()).or_default() += 1;
            self.by_labels.insert(series.labels.clone(), r);
        }
        self.series.push(series);
        r
    }

    fn bounds_of(&mut self, labels: &Labels) -> Bounds {
        let name = labels.metric_name();
        if let Some(bounds) = self.bounds.get(name) {
            return bounds.clone();
        }
        let bounds = self.catalog.bounds(name);
        self.bounds.insert(name.to_owned(), bounds.clone());
        bounds
    }

    /// From now on histograms count at this catalogue's bounds too. What they counted at before, they
    /// go on counting at: a bound that stopped and came back would have a hole nobody could see.
    pub(super) fn set_catalog(&mut self, catalog: MetricCatalog) {
        self.catalog = catalog;
        self.bounds.clear();
        for i in 0..self.series.len() {
            if self.series[i].kind == SeriesKind::Histogram && !self.series[i].retired {
                let labels = self.series[i].labels.clone();
                let wanted = self.bounds_of(&labels);
                let union = if self.series[i].bounds == wanted { wanted } else { self.series[i].bounds.union(&wanted) };
                self.series[i].widen(union);
            }
        }
    }

    /// Counts what an entry holds. The reports that do not count, by their place in the draft.
    pub(super) fn apply(&mut self, number: u64, at: Timestamp, draft: Draft) -> Vec<(usize, DropReason)> {
        self.entry = number;
        let current = self.current_slot(at);
        Arc::make_mut(&mut self.live).carry_on(current);
        for (series, settlement) in &draft.settlements {
            self.ledger.settle(&settlement.key, at);
            let observation = super::Observation { value: settlement.value, weight: settlement.weight };
            self.change(*series, &Change::Observe(settlement.slot, vec![observation]));
        }
        for (series, change) in &draft.changes {
            self.change(*series, change);
        }
        let reports = draft.reports.into_iter().enumerate();
        reports.filter_map(|(i, (_, report))| Some((i, self.ledger.report(report, at).err()?))).collect()
    }

    /// Counts one change, whose slot is open.
    pub(super) fn change(&mut self, series: SeriesRef, change: &Change) {
        let Some(series) = self.series.get_mut(series as usize) else { return };
        match change {
            Change::Add(slot, value) => series.add(*slot, *value),
            Change::Observe(slot, observations) => series.observe(*slot, observations),
            Change::Sample(at, value) => return series.sample(*at, *value),
            Change::Distribution(at, histogram) => return series.native(*at, histogram.clone()),
        }
        if let Change::Add(slot, _) | Change::Observe(slot, _) = change {
            Arc::make_mut(&mut self.live).mark(*slot);
        }
    }

    /// Closes the slots that no event may name any more, or with `everything` all that are over, and returns
    /// what the archive is to keep.
    ///
    /// The present slot never closes. What comes in it after a restart would have to count in the next one, and
    /// for a minute every rate over it would be off by that much; what had closed in it would be stamped with
    /// an end that is yet to come, where no reader looks.
    pub(super) fn close(&mut self, now: Timestamp, everything: bool) -> Option<Tick> {
        let current = self.current_slot(now);
        Arc::make_mut(&mut self.live).carry_on(current);
        let before = self.closed;
        let through = Slot::ended_by(if everything { now } else { now - OPEN_FOR });
        if through <= before {
            return None;
        }
        self.closed = through;
        let mut data = TickWriter::default();
        for series in &mut self.series {
            close_series(series, through, &mut data);
        }
        let compactable = self.compactable();
        self.sample_floor = self.sample_floor.max(Slot::last_of_block(compactable));
        self.retire();
        let (vitals, forget_settled_before) = self.ledger.take_changes(now);
        let defs = std::mem::take(&mut self.fresh);
        Some(Tick {
            through,
            entry: self.entry,
            series: defs.iter().filter_map(|r| self.get(*r)).map(definition).collect(),
            retired: std::mem::take(&mut self.retired),
            live: self.live.within(before, through).collect(),
            data: data.finish(),
            vitals,
            forget_settled_before,
        })
    }

    /// The last block that may be compacted.
    pub(super) fn compactable(&self) -> i64 {
        self.closed.plus(1 - slots_in(GRACE)).block() - 1
    }

    /// Lets go of series that have had no news for long. Those that a web vital still waits for stay.
    fn retire(&mut self) {
        let idle_since = self.closed.plus(-self.idle_slots);
        let idle = |s: &Series| !s.retired && s.touched < idle_since && s.is_quiet();
        let candidates: Vec<usize> = (0..self.series.len()).filter(|i| idle(&self.series[*i])).collect();
        if candidates.is_empty() {
            return;
        }
        let awaited: HashSet<Labels> = self.ledger.pending().map(|p| p.report.labels.clone()).collect();
        for i in candidates {
            let series = &mut self.series[i];
            if awaited.contains(&series.labels) {
                continue;
            }
            series.retired = true;
            series.base = None;
            series.marks.clear();
            self.retired.push(series.id);
            self.by_labels.remove(&series.labels);
            if let Some(count) = self.per_service.get_mut(series.labels.value(SERVICE)) {
                *count = count.saturating_sub(1);
            }
        }
        self.per_service.retain(|_, n| *n > 0);
    }

    /// A block is in the archive.
    pub(super) fn drop_blocks_through(&mut self, block: i64) {
        self.memory_from = self.memory_from.max(block + 1);
        for series in &mut self.series {
            series.blocks.retain(|b| b.index > block);
        }
    }

    /// The archive has forgotten these series.
    pub(super) fn forget(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(r) = self.by_id.remove(id) {
                let series = &mut self.series[r as usize];
                self.index.remove(r, &series.labels);
                series.labels = Labels::default();
            }
        }
    }
}

fn definition(series: &Series) -> SeriesDef {
    SeriesDef { id: series.id, labels: series.labels.clone(), kind: series.kind, retired: false }
}

fn close_series(series: &mut Series, through: Slot, data: &mut TickWriter) {
    let closing = series.near.partition_point(|(slot, _)| *slot <= through);
    if closing > 0 {
        let closed: Vec<_> = series.near.drain(..closing).collect();
        data.increments(series.id, series.kind, closed.iter().map(|(slot, t)| (*slot, t.as_ref())));
        closed.iter().for_each(|(slot, increment)| series.close_increment(*slot, increment));
    }
    let closing = series.open_samples.partition_point(|(at, _)| Slot::of(*at) <= through);
    if closing > 0 {
        let closed: Vec<_> = series.open_samples.drain(..closing).collect();
        data.samples(series.id, &closed);
        closed.iter().for_each(|(at, value)| series.close_sample(*at, *value));
    }
    let closing = series.open_natives.partition_point(|(at, _)| Slot::of(*at) <= through);
    if closing > 0 {
        let closed: Vec<_> = series.open_natives.drain(..closing).collect();
        data.natives(series.id, &closed);
        closed.iter().for_each(|(at, histogram)| series.close_native(*at, histogram));
    }
}
