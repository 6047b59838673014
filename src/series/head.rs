//! The head: all that is in memory. Changed by the writer's thread alone (the loop drops what it has
//! compacted); read by everyone, in short sections.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{DropReason, LabelMap, Labels, Matcher, Timestamp};
use crate::sketch::Bounds;

use super::MetricCatalog;
use super::archive::{SeriesDef, Tick};
use super::census::Census;
use super::data::{Data, Series};
use super::entry::{Change, Draft};
use super::groups::Groups;
use super::history::History;
use super::index::{Index, SeriesRef};
use super::ledger::{Ledger, LedgerSettings};
use super::live::Live;
use super::retire::Retirement;
use super::settings::Settings;
use super::slot::{SLOTS_PER_PAGE, Slot, slots_in};
use super::tick::TickWriter;
use super::total::SeriesKind;
use super::view::Forms;

/// Events may name a slot this long after its end.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(120);
/// Samples of their own time may come this late. They are in the page of the slot in which they closed, so
/// readers look this much further than they ask.
pub(super) const GRACE: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) series: Vec<Series>,
    pub(super) by_labels: LabelMap<SeriesRef>,
    /// Also the order in which series are written.
    pub(super) by_id: BTreeMap<u64, SeriesRef>,
    pub(super) index: Index,
    pub(super) next_id: u64,
    pub(super) live: Arc<Live>,
    /// Every slot up to this one is closed.
    pub(super) closed: Slot,
    /// The last entry of the journal that is contained.
    pub(super) entry: u64,
    /// Samples in slots up to this one come too late.
    pub(super) sample_floor: Slot,
    /// Every slot up to this one has left memory: what it held is in pages.
    pub(super) paged: Slot,
    /// The first slot up to which a tick closed something that is not in pages yet.
    pub(super) filled: Option<Slot>,
    /// Samples of the past that wait for the next tick.
    pub(super) history: History,
    pub(super) ledger: Ledger,
    /// Of live series.
    pub(super) census: Census,
    catalog: MetricCatalog,
    bounds: HashMap<String, Bounds>,
    fresh: Vec<SeriesRef>,
    pub(super) groups: Groups,
    pub(super) retirement: Retirement,
}

impl Head {
    pub(super) fn new(settings: &Settings, catalog: MetricCatalog, now: Timestamp) -> Self {
        let ledger = LedgerSettings {
            settle: settings.settle,
            pending: settings.limits.pending_vitals,
            settled: settings.limits.settled_vitals,
        };
        let closed = Slot::ended_by(now - OPEN_FOR);
        Self {
            series: Vec::new(),
            by_labels: LabelMap::default(),
            by_id: BTreeMap::new(),
            index: Index::default(),
            next_id: 1,
            live: Arc::default(),
            closed,
            entry: 0,
            sample_floor: closed.plus(-slots_in(GRACE)),
            paged: closed,
            filled: None,
            history: History::default(),
            ledger: Ledger::new(ledger),
            census: Census::default(),
            catalog,
            bounds: HashMap::new(),
            fresh: Vec::new(),
            groups: Groups::default(),
            retirement: Retirement::new(settings.idle),
        }
    }

    /// The slot that increments enter when their own is closed, or is yet to come.
    pub(super) fn current_slot(&self, now: Timestamp) -> Slot {
        Slot::of(now).max(self.closed.plus(1))
    }

    pub(super) fn get(&self, series: SeriesRef) -> Option<&Series> {
        self.series.get(series as usize)
    }

    /// The series that satisfy all matchers under one of their names at least, by the forms that do.
    pub(super) fn select(&self, matchers: &[Matcher]) -> Vec<(Forms, Vec<SeriesRef>)> {
        self.index.select(matchers, &|r| self.get(r).map(|s| &s.labels))
    }

    /// Enters series that the next tick will define in the archive, at the places that
    /// [`place_of_new`](Self::place_of_new) said.
    pub(super) fn create(&mut self, new: impl IntoIterator<Item = (Labels, SeriesKind)>) {
        let first = self.fresh.len();
        for (labels, kind) in new {
            let group = self.groups.assign(labels.metric_name(), kind);
            let def = SeriesDef { id: self.next_id, group, labels, kind, born: Slot::LAST, retired: None };
            let series = self.add_series(def);
            self.fresh.push(series);
        }
        let new: Vec<_> = self.fresh[first..].iter().map(|r| entry_of(&self.series, *r)).collect();
        self.index.insert(&new);
    }

    /// Enters a living series that the archive knows.
    pub(super) fn insert(&mut self, def: SeriesDef) {
        self.groups.enter(def.labels.metric_name(), def.kind, def.group);
        let series = self.add_series(def);
        let entry = entry_of(&self.series, series);
        self.index.insert(&[entry]);
    }

    fn add_series(&mut self, def: SeriesDef) -> SeriesRef {
        let bounds = if def.kind == SeriesKind::Histogram { self.bounds_of(&def.labels) } else { Bounds::none() };
        let mut series = Series::of(def, bounds);
        series.touched = self.closed;
        self.next_id = self.next_id.max(series.id + 1);
        self.census.enter(&series.labels);
        let r = self.retirement.take_place().unwrap_or(self.series.len() as SeriesRef);
        self.by_id.insert(series.id, r);
        self.by_labels.insert(series.labels.clone(), r);
        match self.series.get_mut(r as usize) {
            Some(place) => *place = series,
            None => self.series.push(series),
        }
        r
    }

    /// The bounds that the catalogue names for a metric.
    pub(super) fn catalogued_bounds(&self, metric: &str) -> Bounds {
        self.bounds.get(metric).cloned().unwrap_or_else(|| self.catalog.bounds(metric))
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
            if self.series[i].kind == SeriesKind::Histogram && self.series[i].retired.is_none() {
                let labels = self.series[i].labels.clone();
                let wanted = self.bounds_of(&labels);
                let union = self.series[i].bounds().union(&wanted);
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
        let r = series;
        let Some(series) = self.series.get_mut(r as usize) else { return };
        match change {
            Change::Add(slot, value) => series.add(*slot, *value),
            Change::Observe(slot, observations) => series.observe(*slot, observations),
            // After an archive that failed for long, a replay meets what no page has yet.
            Change::Past(at, value) if Slot::of(*at) > self.paged && *at > series.closed_sample() => {
                return series.sample(*at, *value);
            }
            Change::Past(at, value) => {
                series.has_past(*at, *value, self.closed);
                return self.history.push(r, *at, *value);
            }
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
        let wanted = Slot::ended_by(if everything { now } else { now - OPEN_FOR });
        let through = wanted.min(self.page_limit(wanted));
        if through <= before {
            return None;
        }
        self.closed = through;
        let data = self.close_series(through);
        if data.is_empty() && self.filled.is_none() {
            self.paged = through;
        } else if !data.is_empty() {
            self.filled.get_or_insert(through);
        }
        self.sample_floor = self.sample_floor.max(through.plus(-slots_in(GRACE)));
        let retired = self.retire(before);
        let (vitals, forget_settled_before) = self.ledger.take_changes(now);
        let defs = std::mem::take(&mut self.fresh);
        Some(Tick {
            through,
            entry: self.entry,
            series: defs.iter().filter_map(|r| self.get(*r)).map(|s| definition(s, through)).collect(),
            retired,
            live: self.live.within(before, through).collect(),
            data,
            vitals,
            forget_settled_before,
            history: super::archive::Rewrite::default(),
        })
    }

    /// A tick closes nothing beyond the window of the page that is being filled, so that a page holds whole
    /// ticks and no tick lies in two pages. Where nothing is, it may reach as far as it likes.
    fn page_limit(&self, wanted: Slot) -> Slot {
        let limit = |filled: Slot| filled.last_of_window(SLOTS_PER_PAGE);
        match self.filled {
            Some(filled) => limit(filled),
            None if wanted <= limit(self.closed.plus(1)) => wanted,
            None => {
                let first = self.series.iter().filter_map(Series::first_open).min();
                first.map_or(wanted, |first| limit(first.max(self.closed.plus(1))))
            }
        }
    }

    fn close_series(&mut self, through: Slot) -> Vec<u8> {
        let mut data = TickWriter::default();
        for r in self.by_id.values() {
            close_series(&mut self.series[*r as usize], through, &mut data);
        }
        data.finish()
    }

    /// The slot through which pages are to be made now: the window is over, and something closed in it.
    pub(super) fn page_due(&self) -> Option<Slot> {
        let through = self.filled?.last_of_window(SLOTS_PER_PAGE);
        (self.closed >= through).then_some(self.closed)
    }

    /// Everything that closed is in pages.
    pub(super) fn drop_closed(&mut self) {
        self.paged = self.closed;
        self.filled = None;
        self.series.iter_mut().for_each(Series::drop_closed);
    }

    /// Forgets what is known of metrics that have no series any more.
    pub(super) fn forget_metrics(&mut self) {
        let census = &self.census;
        let lives = |metric: &str| census.of_metric(metric) > 0;
        self.groups.retain(lives);
        self.bounds.retain(|metric, _| lives(metric));
    }
}

/// A series as the index takes it.
pub(super) fn entry_of(series: &[Series], r: SeriesRef) -> (SeriesRef, &Labels, SeriesKind) {
    let series = &series[r as usize];
    (r, &series.labels, series.kind)
}

/// What it may still get that is older than all that it has got is after `through`, or comes late.
fn definition(series: &Series, through: Slot) -> SeriesDef {
    let (id, group, kind) = (series.id, series.group, series.kind);
    let late = if kind.is_ours() { 0 } else { slots_in(GRACE) };
    let born = series.born.min(through.plus(1 - late));
    SeriesDef { id, group, labels: series.labels.clone(), kind, born, retired: None }
}

fn close_series(series: &mut Series, through: Slot, data: &mut TickWriter) {
    let (id, kind) = (series.id, series.kind);
    match &mut series.data {
        Data::Ours(ours) => {
            let closing = ours.near.partition_point(|(slot, _)| *slot <= through);
            if closing > 0 {
                let closed: Vec<_> = ours.near.drain(..closing).collect();
                data.increments(id, kind, closed.iter().map(|(slot, t)| (*slot, t.as_ref())));
                closed.iter().for_each(|(slot, increment)| ours.close(*slot, increment));
            }
        }
        Data::Samples(sent) => {
            if let Some((slice, last)) = sent.stream.close(through) {
                data.samples(id, kind, slice);
                sent.closed = last;
            }
        }
        Data::Natives(sent) => {
            if let Some((slice, last)) = sent.stream.close(through) {
                data.samples(id, kind, slice);
                sent.closed = last;
            }
        }
    }
}
