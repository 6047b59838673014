//! Operators on two values, and on vectors with a scalar.

use std::sync::Arc;

use super::row::{Row, merge_equal};
use super::{Context, Operand, QueryError};
use crate::promql::native::{self, Incompatible, Remarks};
use crate::promql::plan::{Arithmetic, Binary, Comparison, Operator, Steps};
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

impl Context<'_> {
    pub(super) fn binary(&self, binary: &Binary, steps: Steps) -> Result<Operand, QueryError> {
        let left = self.eval(&binary.left, steps)?;
        let right = self.eval(&binary.right, steps)?;
        match (left, right) {
            (Operand::Scalar(a), Operand::Scalar(b)) => {
                let values = a.into_iter().zip(b).map(|(a, b)| scalars(binary.op, a, b));
                Ok(Operand::Scalar(values.collect()))
            }
            (Operand::Vector(rows), Operand::Scalar(values)) => self.with_scalar(binary, rows, &values, false),
            (Operand::Scalar(values), Operand::Vector(rows)) => self.with_scalar(binary, rows, &values, true),
            (Operand::Vector(mut left), Operand::Vector(mut right)) => {
                super::fill::complete(binary, &mut left, &mut right, steps);
                let rows = match binary.op {
                    Operator::Set(op) => super::sets::combine(op, &binary.matching, left, right, steps)?,
                    _ => self.match_vectors(binary, left, right, steps)?,
                };
                Ok(Operand::Vector(rows))
            }
        }
    }

    fn with_scalar(
        &self,
        binary: &Binary,
        rows: Vec<Row>,
        values: &[f64],
        scalar_first: bool,
    ) -> Result<Operand, QueryError> {
        let keeps_name = matches!(binary.op, Operator::Compare(_)) && !binary.return_bool;
        let changed = rows.into_iter().map(|row| {
            let mut values = values.iter();
            let mut row = row;
            for cell in &mut row.cells {
                let scalar = Point::Float(values.next().copied().unwrap_or(f64::NAN));
                *cell = cell.take().and_then(|element| {
                    let (a, b) = if scalar_first { (&scalar, &element) } else { (&element, &scalar) };
                    self.element(binary, a, b, &element).flatten()
                });
            }
            if keeps_name { row } else { row.without_name() }
        });
        let changed = changed.filter(|row| !row.is_empty()).collect();
        Ok(Operand::Vector(if keeps_name { changed } else { merge_equal(changed)? }))
    }

    /// One element of the result, `Some(None)` where a comparison does not hold; `None`: the operator is not
    /// defined on these types. A comparison that holds answers `kept`.
    pub(super) fn element(&self, binary: &Binary, a: &Point, b: &Point, kept: &Point) -> Option<Option<Point>> {
        match binary.op {
            Operator::Arithmetic(op) => self.arithmetic(op, a, b).map(Some),
            Operator::Compare(op) => match compare(op, a, b) {
                Some(holds) if binary.return_bool => Some(Some(Point::Float(f64::from(u8::from(holds))))),
                Some(holds) => Some(holds.then(|| kept.clone())),
                None => {
                    self.note_types(op.symbol(), a, b);
                    None
                }
            },
            Operator::Set(_) => None,
        }
    }

    fn arithmetic(&self, op: Arithmetic, a: &Point, b: &Point) -> Option<Point> {
        let result = match (a, b, op) {
            (Point::Float(a), Point::Float(b), op) => return Some(Point::Float(floats(op, *a, *b))),
            (Point::Histogram(a), Point::Histogram(b), Arithmetic::Add) => self.combined(op, a, b, native::add)?,
            (Point::Histogram(a), Point::Histogram(b), Arithmetic::Subtract) => {
                self.combined(op, a, b, native::subtract)?
            }
            (Point::Histogram(h), Point::Float(v), Arithmetic::Multiply)
            | (Point::Float(v), Point::Histogram(h), Arithmetic::Multiply) => changed(h, |h| native::scale(h, *v)),
            (Point::Histogram(h), Point::Float(v), Arithmetic::Divide) => changed(h, |h| native::divide(h, *v)),
            _ => {
                self.note_types(op.symbol(), a, b);
                return None;
            }
        };
        Some(Point::Histogram(Arc::new(result)))
    }

    fn combined(
        &self,
        op: Arithmetic,
        a: &NativeHistogram,
        b: &NativeHistogram,
        combine: fn(&mut NativeHistogram, &NativeHistogram) -> Result<Remarks, Incompatible>,
    ) -> Option<NativeHistogram> {
        let mut result = a.clone();
        match combine(&mut result, b) {
            Ok(remarks) => {
                self.notes.remarks(remarks, if op == Arithmetic::Add { "addition" } else { "subtraction" });
                Some(result)
            }
            Err(Incompatible) => {
                let symbol = op.symbol();
                self.notes.warn(format!("incompatible bucket layout encountered for binary operator {symbol}"));
                None
            }
        }
    }

    fn note_types(&self, operator: &str, a: &Point, b: &Point) {
        let name = |point: &Point| match point {
            Point::Float(_) => "float",
            Point::Histogram(_) => "histogram",
        };
        self.notes.info(format!(
            "incompatible sample types encountered for binary operator {operator:?}: {} {operator} {}",
            name(a),
            name(b)
        ));
    }
}

fn changed(h: &NativeHistogram, change: impl Fn(&mut NativeHistogram)) -> NativeHistogram {
    let mut result = h.clone();
    change(&mut result);
    result
}

fn scalars(op: Operator, a: f64, b: f64) -> f64 {
    match op {
        Operator::Arithmetic(op) => floats(op, a, b),
        Operator::Compare(op) => f64::from(u8::from(holds(op, a, b))),
        Operator::Set(_) => f64::NAN,
    }
}

fn floats(op: Arithmetic, a: f64, b: f64) -> f64 {
    match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
        Arithmetic::Power => a.powf(b),
        Arithmetic::Atan2 => a.atan2(b),
    }
}

fn holds(op: Comparison, a: f64, b: f64) -> bool {
    match op {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }
}

/// `None`: the operator is not defined on these types.
fn compare(op: Comparison, a: &Point, b: &Point) -> Option<bool> {
    match (a, b, op) {
        (Point::Float(a), Point::Float(b), op) => Some(holds(op, *a, *b)),
        (Point::Histogram(a), Point::Histogram(b), Comparison::Equal) => Some(native::is_same(a, b)),
        (Point::Histogram(a), Point::Histogram(b), Comparison::NotEqual) => Some(!native::is_same(a, b)),
        _ => None,
    }
}
