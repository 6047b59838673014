//! `target`, `warning` and `critical`: amounts in the indicator's unit.

use std::cell::RefCell;
use std::time::Duration;

use promql_parser::parser::{Expr, parse};

use super::reader::{At, Fields};
use super::units::Quantity;
use crate::base::Severity;
use crate::slo::compile::unit_of_name;
use crate::slo::{Comparison, Indicator, Level, Unit};

/// Reads the amounts of one objective: all in the same unit.
#[derive(Debug)]
pub(super) struct Amounts {
    /// Known from the indicator, or from the first amount that was read.
    unit: RefCell<Option<(Unit, Option<String>)>>,
    /// Whether a percentage has to lie between 0 and 100 %.
    share: bool,
}

impl Amounts {
    pub(super) fn fixed(unit: Unit) -> Self {
        Self { unit: RefCell::new(Some((unit, None))), share: unit == Unit::Ratio }
    }

    pub(super) fn inferred(unit: Option<Unit>) -> Self {
        Self { unit: RefCell::new(unit.map(|u| (u, None))), share: false }
    }

    /// The unit of an indicator's number.
    pub(super) fn of(indicator: &Indicator) -> Self {
        match indicator {
            Indicator::Percentile { of, .. } => Self::fixed(unit_of_name(of)),
            Indicator::Threshold { .. } | Indicator::Ratio { .. } => Self::fixed(Unit::Ratio),
            Indicator::Value { expr } => Self::inferred(unit_of_selector(expr)),
        }
    }

    pub(super) fn known(&self) -> Option<Unit> {
        self.unit.borrow().as_ref().map(|(unit, _)| *unit)
    }

    /// An amount in the base unit.
    pub(super) fn read(&self, at: &At<'_>) -> Option<f64> {
        let Quantity { value, unit, currency } = at.quantity()?;
        if unit == Unit::None && currency.is_none() && value == 0.0 {
            return Some(0.0);
        }
        let known = self.unit.borrow().clone();
        match known {
            None => *self.unit.borrow_mut() = Some((unit, currency)),
            Some((Unit::Ratio, _)) if unit == Unit::None && (0.0..=1.0).contains(&value) => {}
            Some((expected, ref money)) if expected == unit && *money == currency => {}
            Some((expected, _)) => return at.fail(wrong_unit(expected, value)),
        }
        if self.share && !(0.0..=1.0).contains(&value) {
            return at.fail("a share lies between 0% and 100%");
        }
        Some(value)
    }
}

fn wrong_unit(expected: Unit, value: f64) -> String {
    match expected {
        Unit::Seconds => format!("expected a duration with its unit, such as {value}ms or {value}s"),
        Unit::Ratio => format!("expected a share, such as {value}% or a number from 0 to 1"),
        Unit::Bytes => format!("expected a size with its unit, such as {value}MiB"),
        Unit::PerSecond => format!("expected a rate with its unit, such as {value}/s"),
        Unit::None => "expected a plain number, or the unit that the objective's other numbers have".to_owned(),
    }
}

/// A value that is nothing but a metric has the unit that the metric's name ends in.
fn unit_of_selector(expr: &str) -> Option<Unit> {
    let Ok(Expr::VectorSelector(selector)) = parse(expr) else { return None };
    Some(unit_of_name(selector.name.as_deref()?)).filter(|unit| *unit != Unit::None)
}

/// Reads a level.
pub(super) fn read_level(at: &At<'_>, severity: Severity, amounts: &Amounts) -> Option<Level> {
    let mut fields = at.fields()?;
    let mut amount = |name| fields.get(name).and_then(|at| amounts.read(&at));
    let bounds = [amount("above"), amount("below"), amount("at_or_above"), amount("at_or_below")];
    let clears = (amount("clear_above"), amount("clear_below"));
    let hold = duration(&mut fields, "for");
    let keep_firing = duration(&mut fields, "keep_firing_for");
    fields.unsupported(&["relative_to"]);
    let named = ["above", "below", "at_or_above", "at_or_below"].iter().filter(|n| fields.peek(n).is_some()).count();
    let breach = match bounds {
        [Some(low), Some(high), None, None] => Some(Comparison::Between(low, high)),
        [Some(x), None, None, None] => Some(Comparison::Above(x)),
        [None, Some(x), None, None] => Some(Comparison::Below(x)),
        [None, None, Some(x), None] => Some(Comparison::AtOrAbove(x)),
        [None, None, None, Some(x)] => Some(Comparison::AtOrBelow(x)),
        // An amount that could not be read has been complained about.
        [None, None, None, None] if named > 0 => None,
        _ => at.fail("expected `above` or `below` (both for a range), or `at_or_above` or `at_or_below`"),
    };
    fields.finish();
    let clear = match clears {
        (Some(_), Some(_)) => return at.fail("expected `clear_above` or `clear_below`, not both"),
        (above, below) => above.map(Comparison::Above).or(below.map(Comparison::Below)),
    };
    Some(Level { severity, breach: breach?, hold, keep_firing, clear })
}

fn duration(fields: &mut Fields<'_>, name: &'static str) -> Duration {
    fields.get(name).and_then(|at| at.duration()).unwrap_or_default()
}
