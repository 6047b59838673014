//! How native histograms change over a window.

use crate::promql::eval::{Notes, Window};
use crate::promql::native::{self, Incompatible, Remarks};
use crate::sketch::{NativeHistogram, ResetHint};

/// Last minus first, plus what was there before each reset; a gauge.
///
/// After a reset between the first two, nothing of the first is left in the change, so it may be of another
/// kind than the others (Prometheus 3, `histogramRate`).
pub(super) fn change(w: &Window<'_>, notes: &Notes, counter: bool) -> Option<NativeHistogram> {
    let [(_, first), (_, second), ..] = w.histograms() else { return None };
    let (_, last) = w.histograms().last()?;
    check_kind(w, notes, counter);
    let reset_at_once = counter && w.is_reset_after_first_histogram();
    let base = if reset_at_once { &emptied(second) } else { first.as_ref() };
    // A gauge's change is between its ends, whatever lies between.
    let compared = if counter { &w.histograms()[1..] } else { w.histograms().last_chunk::<1>()? };
    if compared.iter().any(|(_, h)| native::is_custom(h) != native::is_custom(base)) {
        notes.mixed_schemas(w.labels());
        return None;
    }
    let coarsest = compared.iter().map(|(_, h)| h.schema).fold(last.schema.min(base.schema), i32::min);
    let mut change = native::coarsen(last, coarsest);
    noted(w, notes, native::subtract(&mut change, base), "subtraction")?;
    if counter {
        for before in w.histograms_before_resets().skip(usize::from(reset_at_once)) {
            noted(w, notes, native::add(&mut change, before), "addition")?;
        }
    }
    change.reset_hint = ResetHint::Gauge;
    Some(change)
}

/// Says when a counter is a gauge, or the other way round.
fn check_kind(w: &Window<'_>, notes: &Notes, counter: bool) {
    let is_gauge = |h: &NativeHistogram| h.reset_hint == ResetHint::Gauge;
    let mut all = w.histograms().iter().map(|(_, h)| is_gauge(h));
    if counter {
        if all.any(|gauge| gauge) {
            notes.not_a_counter(w.labels());
        }
    } else if !(all.next().unwrap_or(true) && all.next_back().unwrap_or(true)) {
        notes.not_a_gauge(w.labels());
    }
}

/// A histogram of the same kind without values.
fn emptied(h: &NativeHistogram) -> NativeHistogram {
    NativeHistogram { schema: h.schema, custom_bounds: h.custom_bounds.clone(), ..NativeHistogram::default() }
}

/// From the second-last to the last; from nothing after a reset of a counter.
pub(super) fn last_change(
    w: &Window<'_>,
    notes: &Notes,
    last: &NativeHistogram,
    before: &NativeHistogram,
    counter: bool,
) -> Option<NativeHistogram> {
    let gauges = [last, before].map(|h| h.reset_hint == ResetHint::Gauge);
    match counter {
        true if gauges.contains(&true) => notes.not_a_counter(w.labels()),
        false if gauges.contains(&false) => notes.not_a_gauge(w.labels()),
        _ => {}
    }
    let mut change = last.clone();
    if !(counter && native::is_reset(last, before)) {
        noted(w, notes, native::subtract(&mut change, before), "subtraction")?;
    }
    change.reset_hint = ResetHint::Gauge;
    Some(change)
}

/// Says what adding or subtracting had to put up with. Resets are made good here, so they may contradict.
fn noted(w: &Window<'_>, notes: &Notes, result: Result<Remarks, Incompatible>, operation: &str) -> Option<()> {
    match result {
        Ok(remarks) => {
            notes.remarks(Remarks { resets_conflicted: false, ..remarks }, operation);
            Some(())
        }
        Err(Incompatible) => {
            notes.mixed_schemas(w.labels());
            None
        }
    }
}
