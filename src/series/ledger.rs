//! The ledger of web vitals: what is provisional, and what has settled.
//!
//! A key's reports replace one another ([`judge`](super::vitals::judge)) until it settles: at once when the
//! sender says that no report will follow, else after [`Settings::settle`](super::Settings) without a
//! revision, and a day after its first report at the latest. Settling is an entry of the journal of its own,
//! which names the value: the same decision is never taken twice, on whichever side of a crash. What comes
//! for a settled key is late. Settled keys are remembered for a day, the oldest forgotten first when there
//! are too many; a report that outlives its key's memory would count as a new view.
//!
//! The state is a function of the sequence of reports and settlements alone, each with its entry's time, so a
//! replay of the journal rebuilds it. Therefore the value that a beacon says was sent before it (`prev`) is
//! only a link of the chain where there is no sequence number: no restart loses the ledger, so nothing ever
//! has to be taken back on a sender's word.
//!
//! A view also ends when the next one begins in its tab. Only the browser knows that; our script says it as
//! `final` on the last beacon of the view that was left or frozen. A soft navigation leaves a view whose last
//! values are still to come, so it ends by the pause.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{DropReason, Timestamp};

use super::archive::VitalState;
use super::codec::{Corrupt, Get, Put};
use super::vitals::{Seen, Verdict, VitalKey, VitalReport, judge};

/// The longest a key stays provisional, and how long a settled key is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many earlier reports of a key without sequence numbers are remembered.
const SEEN: usize = 8;

/// A web vital that has not settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pending {
    pub(super) report: VitalReport,
    first: Timestamp,
    due: Timestamp,
    seen: Seen,
}

/// The limits of a ledger.
#[derive(Debug, Clone)]
pub(super) struct LedgerSettings {
    pub(super) settle: Duration,
    pub(super) pending: usize,
    pub(super) settled: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    settings: LedgerSettings,
    pending: HashMap<Arc<VitalKey>, Pending>,
    due: BTreeSet<(Timestamp, Arc<VitalKey>)>,
    settled: HashMap<Arc<VitalKey>, Timestamp>,
    settled_order: VecDeque<(Timestamp, Arc<VitalKey>)>,
    forgotten: Timestamp,
    changed: HashSet<Arc<VitalKey>>,
}

impl Ledger {
    pub(super) fn new(settings: LedgerSettings) -> Self {
        Self {
            settings,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            settled: HashMap::new(),
            settled_order: VecDeque::new(),
            forgotten: Timestamp::MIN,
            changed: HashSet::new(),
        }
    }

    /// Takes a report; the reason when it does not count.
    pub(super) fn report(&mut self, report: VitalReport, now: Timestamp) -> Result<(), DropReason> {
        // By its own time, not by whether somebody has cleared up since: a replay must come to the same.
        if self.settled.get(&report.key).is_some_and(|at| *at + DAY >= now) {
            return Err(DropReason::Late);
        }
        let Some((key, present)) = self.pending.get_key_value(&report.key).map(|(k, p)| (k.clone(), p)) else {
            return self.open(report, now);
        };
        match judge(&present.report, &present.seen, &report) {
            Verdict::Newer => {
                self.revise(&key, report, now);
                Ok(())
            }
            Verdict::Duplicate => Err(DropReason::Duplicate),
            Verdict::Older => {
                self.note_older(key, &report);
                Err(DropReason::Superseded)
            }
        }
    }

    /// An older report is a link of the chain, by which others find their place.
    fn note_older(&mut self, key: Arc<VitalKey>, report: &VitalReport) {
        if let Some(pending) = self.pending.get_mut(&key).filter(|_| report.sequence.is_none()) {
            pending.saw(report.value, report.delta);
            self.changed.insert(key);
        }
    }

    fn open(&mut self, report: VitalReport, now: Timestamp) -> Result<(), DropReason> {
        if self.pending.len() >= self.settings.pending {
            return Err(DropReason::Overloaded);
        }
        let key = Arc::new(report.key.clone());
        let mut pending = Pending { report, first: now, due: now, seen: Seen::new() };
        pending.saw_present();
        self.insert(key, pending, now);
        Ok(())
    }

    fn revise(&mut self, key: &Arc<VitalKey>, report: VitalReport, now: Timestamp) {
        let Some(mut pending) = self.pending.remove(key) else { return };
        self.due.remove(&(pending.due, key.clone()));
        pending.report = report;
        pending.saw_present();
        self.insert(key.clone(), pending, now);
    }

    fn insert(&mut self, key: Arc<VitalKey>, mut pending: Pending, now: Timestamp) {
        pending.due = match pending.report.is_final {
            true => now,
            false => (now + self.settings.settle).min(pending.first + DAY),
        };
        self.due.insert((pending.due, key.clone()));
        self.changed.insert(key.clone());
        self.pending.insert(key, pending);
    }

    /// Keys whose time to settle has come, at most `limit`.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> impl Iterator<Item = &Pending> {
        let due = self.due.iter().take_while(move |(at, _)| *at <= now).take(limit);
        due.filter_map(|(_, key)| self.pending.get(key))
    }

    /// Marks a key as settled.
    pub(super) fn settle(&mut self, key: &VitalKey, now: Timestamp) {
        let key = match self.pending.remove_entry(key) {
            Some((key, pending)) => {
                self.due.remove(&(pending.due, key.clone()));
                key
            }
            None => Arc::new(key.clone()),
        };
        self.settled_order.push_back((now, key.clone()));
        self.settled.insert(key.clone(), now);
        self.changed.insert(key);
    }

    /// Forgets settled keys that are old or too many.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.settled_order.front() {
            if *at + DAY >= now && self.settled_order.len() <= self.settings.settled {
                break;
            }
            if let Some((at, key)) = self.settled_order.pop_front() {
                // It may have come and settled again since.
                if self.settled.get(&key) == Some(&at) {
                    self.settled.remove(&key);
                }
                self.forgotten = at;
            }
        }
    }

    /// What changed since the last call, and the instant up to which settled keys are forgotten.
    pub(super) fn take_changes(&mut self, now: Timestamp) -> (Vec<(VitalKey, VitalState)>, Timestamp) {
        self.forget(now);
        let changed = std::mem::take(&mut self.changed);
        let state = |key: &Arc<VitalKey>| match self.pending.get(key) {
            Some(pending) => Some(VitalState::Pending(pending.encode())),
            None => self.settled.get(key).map(|t| VitalState::Settled(*t)),
        };
        let states = changed.iter().filter_map(|k| Some((VitalKey::clone(k), state(k)?))).collect();
        (states, self.forgotten)
    }

    /// Puts back what the archive remembers.
    pub(super) fn restore(&mut self, vitals: Vec<(VitalKey, VitalState)>) -> Result<(), Corrupt> {
        let mut settled = Vec::new();
        for (key, state) in vitals {
            let key = Arc::new(key);
            match state {
                VitalState::Settled(at) => settled.push((at, key)),
                VitalState::Pending(bytes) => {
                    let pending = Pending::decode(&key, &bytes)?;
                    self.due.insert((pending.due, key.clone()));
                    self.pending.insert(key, pending);
                }
            }
        }
        settled.sort_unstable();
        self.settled = settled.iter().map(|(at, k)| (k.clone(), *at)).collect();
        self.settled_order = settled.into();
        Ok(())
    }

    pub(super) fn pending(&self) -> impl ExactSizeIterator<Item = &Pending> {
        self.pending.values()
    }

    /// Whether something was marked as final and waits to be settled.
    pub(super) fn has_due(&self, now: Timestamp) -> bool {
        self.due.first().is_some_and(|(at, _)| *at <= now)
    }
}

impl Pending {
    fn saw_present(&mut self) {
        if self.report.sequence.is_none() {
            self.saw(self.report.value, self.report.delta);
        }
    }

    fn saw(&mut self, value: f64, delta: Option<f64>) {
        if self.seen.len() == SEEN {
            self.seen.remove(0);
        }
        self.seen.push((value, delta.unwrap_or(f64::NAN)));
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        put_report(&mut out, &self.report);
        out.put_labels(&self.report.labels);
        out.put_zigzag(self.first.as_millis());
        out.put_zigzag(self.due.as_millis());
        out.put_varint(self.seen.len() as u64);
        for (value, delta) in &self.seen {
            out.put_f64(*value);
            out.put_f64(*delta);
        }
        out
    }

    fn decode(key: &VitalKey, bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut from = Get(bytes);
        if from.byte()? != 1 {
            return Err(Corrupt);
        }
        let mut report = get_report(&mut from, key.clone())?;
        report.labels = from.labels()?;
        let first = Timestamp::from_millis(from.zigzag()?);
        let due = Timestamp::from_millis(from.zigzag()?);
        let seen = (0..from.count()?).map(|_| Ok((from.f64()?, from.f64()?))).collect::<Result<_, Corrupt>>()?;
        Ok(Self { report, first, due, seen })
    }
}

/// Writes a report without its key and labels.
pub(super) fn put_report(out: &mut Vec<u8>, report: &VitalReport) {
    let flags =
        u8::from(report.sequence.is_some()) | u8::from(report.delta.is_some()) << 1 | u8::from(report.is_final) << 2;
    out.push(flags);
    if let Some(sequence) = report.sequence {
        out.put_varint(sequence);
    }
    out.put_f64(report.value);
    if let Some(delta) = report.delta {
        out.put_f64(delta);
    }
    out.put_zigzag(report.start.as_millis());
    out.put_zigzag(report.received.as_millis());
    out.put_varint(u64::from(report.weight));
}

/// Reads what [`put_report`] wrote; the labels are left empty.
pub(super) fn get_report(from: &mut Get<'_>, key: VitalKey) -> Result<VitalReport, Corrupt> {
    let flags = from.byte()?;
    let sequence = if flags & 1 != 0 { Some(from.varint()?) } else { None };
    let value = from.f64()?;
    let delta = if flags & 2 != 0 { Some(from.f64()?) } else { None };
    let start = Timestamp::from_millis(from.zigzag()?);
    let received = Timestamp::from_millis(from.zigzag()?);
    let weight = u32::try_from(from.varint()?).map_err(|_| Corrupt)?;
    let labels = crate::base::Labels::default();
    Ok(VitalReport { key, sequence, value, delta, is_final: flags & 4 != 0, start, received, weight, labels })
}

#[cfg(test)]
mod tests;
