//! Pages from pages: the same at a coarser resolution, and several windows as one.
//!
//! What a coarser tier keeps of the samples of others: the last of each step, whatever marks the end of the
//! series, and
//! - of a counter both sides of each fall, and the window's first (it may follow on a fall), so that the sum of
//!   its rises over aligned windows is exact;
//! - of a gauge also the least, the greatest, the sum and the number of the step's samples;
//! - of a native histogram the same as of a counter, where a fall is a reset.

use std::sync::Arc;
use std::time::Duration;

use crate::base::Timestamp;
use crate::base::time::millis;
use crate::promql::source::is_stale;
use crate::series::archive::{PageKey, StoredPage};
use crate::series::codec::Corrupt;
use crate::series::native;
use crate::series::slot::Slot;
use crate::series::total::{SeriesKind, Total};
use crate::sketch::NativeHistogram;

use super::write::PageWriter;
use super::{Ends, Fold, Page, Points};

/// What the samples of a series are, which decides what a coarser tier keeps of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::series) enum Nature {
    /// It only grows, except for resets. Also of what is not known: more is kept, nothing is lost.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The pages of consecutive windows of a group as one page for each of the given keys, at the step of its tier;
/// `None` leaves the resolution as it is. Pages ascend in time.
pub(in crate::series) fn join(
    pages: &[Page],
    keys: &[(PageKey, Option<Duration>)],
    nature: Nature,
) -> Result<Vec<StoredPage>, Corrupt> {
    let mut series: Vec<(u64, SeriesKind)> = pages.iter().flat_map(Page::series).collect();
    series.sort_unstable_by_key(|s| s.0);
    series.dedup_by_key(|s| s.0);
    let mut writers: Vec<PageWriter> = keys.iter().map(|(key, _)| PageWriter::new(*key)).collect();
    for (id, kind) in series {
        let (ends, points, folds) = gather(pages, id, kind)?;
        for (writer, (_, step)) in writers.iter_mut().zip(keys) {
            match step {
                None => writer.push(id, kind, &ends, &points, &folds),
                Some(step) => {
                    let (points, folds) = coarser(&points, *step, nature);
                    writer.push(id, kind, &ends, &points, &folds);
                }
            }
        }
    }
    Ok(writers.into_iter().map(PageWriter::finish).collect())
}

/// All that these pages have of one series.
fn gather(pages: &[Page], id: u64, kind: SeriesKind) -> Result<(Ends, Points, Vec<Fold>), Corrupt> {
    let (mut all, mut points, mut folds) = (None::<Ends>, Points::new(kind), Vec::new());
    for page in pages {
        let (Some(ends), Some((more, more_folds))) = (page.ends(id)?, page.points(id)?) else { continue };
        match &mut all {
            None => all = Some(ends),
            Some(all) => (all.after, all.last) = (ends.after, ends.last.or(all.last)),
        }
        if let Points::Samples(samples) = &more {
            let alone = samples.iter().map(|(_, v)| itself(*v));
            if more_folds.is_empty() { folds.extend(alone) } else { folds.extend(more_folds) }
        }
        points.extend(more);
    }
    Ok((all.unwrap_or_default(), points, folds))
}

fn itself(v: f64) -> Fold {
    Fold { min: v, max: v, sum: v, count: 1 }
}

/// The same at a coarser resolution.
pub(in crate::series) fn coarser(points: &Points, step: Duration, nature: Nature) -> (Points, Vec<Fold>) {
    match points {
        Points::Increments(increments) => (Points::Increments(summed(increments, step)), Vec::new()),
        Points::Samples(samples) => kept_samples(samples, step, nature),
        Points::Natives(natives) => (Points::Natives(kept_natives(natives, step)), Vec::new()),
    }
}

fn summed(increments: &[(Slot, Total)], step: Duration) -> Vec<(Slot, Total)> {
    let mut out: Vec<(Slot, Total)> = Vec::new();
    for (slot, increment) in increments {
        let at = slot.last_of_step(step);
        match out.last_mut() {
            Some((last, sum)) if *last == at => sum.add(increment),
            _ => out.push((at, increment.clone())),
        }
    }
    out
}

fn step_of(at: Timestamp, step: Duration) -> i64 {
    (at.as_millis() - 1).div_euclid(millis(step).max(1))
}

fn kept_samples(samples: &[(Timestamp, f64)], step: Duration, nature: Nature) -> (Points, Vec<Fold>) {
    let (mut out, mut folds) = (Vec::new(), Vec::new());
    for of_step in samples.chunk_by(|a, b| step_of(a.0, step) == step_of(b.0, step)) {
        let start = out.len();
        let mut fold = Fold { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0 };
        let last_real = of_step.iter().rposition(|s| !is_stale(s.1));
        for (i, (at, value)) in of_step.iter().enumerate() {
            let is_last = i + 1 == of_step.len() || Some(i) == last_real;
            if !is_stale(*value) {
                fold.min = fold.min.min(*value);
                fold.max = fold.max.max(*value);
                (fold.sum, fold.count) = (fold.sum + value, fold.count + 1);
            }
            if is_last {
                out.push((*at, *value));
            }
        }
        folds.resize(out.len(), Fold::default());
        if let Some(i) = (start..out.len()).find(|i| !is_stale(out[*i].1)) {
            folds[i] = fold;
        }
    }
    if nature == Nature::Counter {
        return (Points::Samples(with_falls(samples, out)), Vec::new());
    }
    (Points::Samples(out), folds)
}

/// Adds the first, and both sides of each fall.
fn with_falls(samples: &[(Timestamp, f64)], mut kept: Vec<(Timestamp, f64)>) -> Vec<(Timestamp, f64)> {
    let mut last: Option<(Timestamp, f64)> = None;
    let before = kept.len();
    for sample in samples.iter().filter(|s| !is_stale(s.1)) {
        match last {
            None => kept.push(*sample),
            Some(last) if sample.1 < last.1 => kept.extend([last, *sample]),
            Some(_) => {}
        }
        last = Some(*sample);
    }
    if kept.len() > before {
        kept.sort_by_key(|s| s.0);
        kept.dedup_by_key(|s| s.0);
    }
    kept
}

fn kept_natives(
    natives: &[(Timestamp, Arc<NativeHistogram>)],
    step: Duration,
) -> Vec<(Timestamp, Arc<NativeHistogram>)> {
    let real = |i: &usize| !is_stale(natives[*i].1.sum);
    let mut keep = vec![false; natives.len()];
    let mut last: Option<usize> = None;
    for i in 0..natives.len() {
        let ends = natives.get(i + 1).is_none_or(|next| step_of(next.0, step) != step_of(natives[i].0, step));
        keep[i] |= ends;
        if ends && !real(&i) {
            // The marker is the step's last: what it ended is kept too.
            last.filter(|l| step_of(natives[*l].0, step) == step_of(natives[i].0, step))
                .iter()
                .for_each(|l| keep[*l] = true);
        }
        if real(&i) {
            match last {
                None => keep[i] = true,
                Some(l) if native::is_reset(&natives[l].1, &natives[i].1) => (keep[l], keep[i]) = (true, true),
                Some(_) => {}
            }
            last = Some(i);
        }
    }
    natives.iter().zip(keep).filter(|(_, keep)| *keep).map(|(n, _)| n.clone()).collect()
}
