//! From the parser's tree to a [`Plan`].

mod calls;
mod info;
mod operators;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Expr, Offset, SubqueryExpr, VectorMatchCardinality, VectorSelector,
};

use super::{
    Aggregate, Binary, Cardinality, Fetch, LabelSet, Node, Plan, RangeArgument, RangeCall, RangeSamples, Selector,
    Shift, Steps,
};
use crate::base::time::millis;
use crate::base::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};
use crate::promql::engine::QueryError;
use crate::promql::parse::{MAX_DEPTH, matchers};
use operators::{aggregate_op, label_set, operator};

/// The step of a subquery that names none: Prometheus's default evaluation interval.
const SUBQUERY_STEP: i64 = 60_000;

/// Resolves an expression for these steps.
pub(in crate::promql) fn build(
    expr: &Expr,
    steps: Steps,
    lookback: Duration,
    max_samples: usize,
) -> Result<Plan, QueryError> {
    let lookback = millis(lookback).max(1);
    let mut builder =
        Builder { query: steps, lookback, max_samples, fetches: Vec::new(), calls: Vec::new(), node_steps: 0 };
    let root = match expr {
        Expr::MatrixSelector(_) | Expr::Subquery(_) => Node::Range(builder.kept_range(expr, steps, 0)?),
        _ => builder.node(expr, steps, 0)?,
    };
    Ok(Plan { root, steps, fetches: builder.fetches, calls: builder.calls, lookback, node_steps: builder.node_steps })
}

/// Resolves an expression without samples in mind: whether it can be evaluated at all.
pub(in crate::promql) fn check(expr: &Expr) -> Result<Plan, QueryError> {
    build(expr, Steps { start: 0, step: 1, count: 1 }, Duration::from_secs(300), usize::MAX)
}

struct Builder {
    query: Steps,
    lookback: i64,
    max_samples: usize,
    fetches: Vec<Fetch>,
    calls: Vec<RangeCall>,
    node_steps: usize,
}

fn bad(message: impl Into<String>) -> QueryError {
    QueryError::BadData(message.into())
}

impl Builder {
    fn node(&mut self, expr: &Expr, steps: Steps, depth: usize) -> Result<Node, QueryError> {
        if depth > MAX_DEPTH {
            return Err(bad(format!("expression is too complex: nested deeper than {MAX_DEPTH}")));
        }
        self.node_steps = self.node_steps.saturating_add(steps.count);
        match expr {
            Expr::Paren(e) => self.node(&e.expr, steps, depth + 1),
            Expr::NumberLiteral(e) => Ok(Node::Number(e.val)),
            Expr::StringLiteral(e) => Ok(Node::Text(e.val.clone())),
            Expr::VectorSelector(e) => Ok(Node::Selector(self.selector(e, steps)?)),
            Expr::Unary(e) => Ok(Node::Negate(Box::new(self.node(&e.expr, steps, depth + 1)?))),
            Expr::Binary(e) => self.binary(e, steps, depth),
            Expr::Aggregate(e) => self.aggregate(e, steps, depth),
            Expr::Call(e) => Ok(Node::Call(Box::new(self.call(e, steps, depth)?))),
            Expr::MatrixSelector(_) | Expr::Subquery(_) => Err(bad("a range vector is not allowed here")),
            Expr::Extension(_) => Err(bad("extensions of the syntax are not supported")),
        }
    }

    fn selector(&mut self, e: &VectorSelector, steps: Steps) -> Result<Selector, QueryError> {
        let shift = self.shift(e.at.as_ref(), e.offset.as_ref());
        let (first, last) = (shift.apply(steps.start), shift.apply(steps.last()));
        let start = first.saturating_sub(self.lookback);
        let fetch = self.kept_fetch(matchers(e)?, start, last);
        Ok(Selector { fetch, shift })
    }

    fn fetch(&mut self, matchers: Vec<Matcher>, start: i64, end: i64, range: bool) -> usize {
        let fetch = Fetch { matchers, start, end, range, kept: false };
        let known = self.fetches.iter().position(|f| Fetch { kept: false, ..f.clone() } == fetch);
        known.unwrap_or_else(|| {
            self.fetches.push(fetch);
            self.fetches.len() - 1
        })
    }

    /// Of an instant vector.
    fn kept_fetch(&mut self, matchers: Vec<Matcher>, start: i64, end: i64) -> usize {
        let fetch = self.fetch(matchers, start, end, false);
        self.fetches[fetch].kept = true;
        fetch
    }

    /// A range vector whose samples are needed themselves.
    fn kept_range(&mut self, expr: &Expr, steps: Steps, depth: usize) -> Result<RangeArgument, QueryError> {
        let argument = self.range(expr, steps, depth)?;
        self.keep(&argument);
        Ok(argument)
    }

    fn keep(&mut self, argument: &RangeArgument) {
        if let RangeSamples::Fetched(fetch) = argument.samples {
            self.fetches[fetch].kept = true;
        }
    }

    fn shift(&self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Shift {
        let at = at.map(|at| match at {
            AtModifier::Start => self.query.start,
            AtModifier::End => self.query.last(),
            AtModifier::At(time) => unix_millis(*time),
        });
        let offset = match offset {
            None => 0,
            Some(Offset::Pos(d)) => millis(*d),
            Some(Offset::Neg(d)) => -millis(*d),
        };
        Shift { at, offset }
    }

    fn range(&mut self, expr: &Expr, steps: Steps, depth: usize) -> Result<RangeArgument, QueryError> {
        match expr {
            Expr::Paren(e) => self.range(&e.expr, steps, depth + 1),
            Expr::MatrixSelector(e) => {
                let range = range_millis(e.range)?;
                let shift = self.shift(e.vs.at.as_ref(), e.vs.offset.as_ref());
                let (first, last) = (shift.apply(steps.start), shift.apply(steps.last()));
                let fetch = self.fetch(matchers(&e.vs)?, first.saturating_sub(range), last, true);
                Ok(RangeArgument { range, shift, samples: RangeSamples::Fetched(fetch) })
            }
            Expr::Subquery(e) => self.subquery(e, steps, depth),
            _ => Err(bad("a range vector is expected here")),
        }
    }

    fn subquery(&mut self, e: &SubqueryExpr, steps: Steps, depth: usize) -> Result<RangeArgument, QueryError> {
        let range = range_millis(e.range)?;
        let step = e.step.map_or(Ok(SUBQUERY_STEP), range_millis)?;
        let shift = self.shift(e.at.as_ref(), e.offset.as_ref());
        let inner = inner_steps(&shift, steps, range, step, self.max_samples)?;
        let node = self.node(&e.expr, inner, depth + 1)?;
        Ok(RangeArgument { range, shift, samples: RangeSamples::Subquery(Box::new(node), inner) })
    }

    fn binary(&mut self, e: &BinaryExpr, steps: Steps, depth: usize) -> Result<Node, QueryError> {
        let modifier = e.modifier.as_ref();
        let matching = match modifier.and_then(|m| m.matching.as_ref()) {
            Some(labels) => label_set(labels),
            None => LabelSet::Without(Vec::new()),
        };
        let cardinality = match modifier.map(|m| &m.card) {
            Some(VectorMatchCardinality::ManyToOne(l)) => Cardinality::ManyToOne(l.labels.clone()),
            Some(VectorMatchCardinality::OneToMany(l)) => Cardinality::OneToMany(l.labels.clone()),
            _ => Cardinality::OneToOne,
        };
        Ok(Node::Binary(Box::new(Binary {
            op: operator(e.op)?,
            left: self.node(&e.lhs, steps, depth + 1)?,
            right: self.node(&e.rhs, steps, depth + 1)?,
            return_bool: e.return_bool(),
            matching,
            cardinality,
            fill: modifier.map_or((None, None), |m| (m.fill_values.lhs, m.fill_values.rhs)),
        })))
    }

    fn aggregate(&mut self, e: &AggregateExpr, steps: Steps, depth: usize) -> Result<Node, QueryError> {
        let parameter = e.param.as_ref().map(|p| self.node(p, steps, depth + 1)).transpose()?;
        let argument = self.node(&e.expr, steps, depth + 1)?;
        let grouping = e.modifier.as_ref().map(label_set);
        Ok(Node::Aggregate(Box::new(Aggregate { op: aggregate_op(e.op)?, argument, parameter, grouping })))
    }
}

/// The instants of a subquery: multiples of its step, counted from the epoch so that they do not move
/// with the query, in the left-open range that all outer steps reach together.
fn inner_steps(shift: &Shift, outer: Steps, range: i64, step: i64, limit: usize) -> Result<Steps, QueryError> {
    let open = shift.apply(outer.start).saturating_sub(range);
    let start = open.div_euclid(step).saturating_add(1).saturating_mul(step);
    let end = shift.apply(outer.last());
    let count = if start > end { 0 } else { ((end - start) / step) as usize + 1 };
    if count > limit {
        return Err(QueryError::Execution(format!("a subquery of {count} steps is over the limit of {limit} samples")));
    }
    Ok(Steps { start, step, count })
}

fn range_millis(range: Duration) -> Result<i64, QueryError> {
    match millis(range) {
        0 => Err(bad("parse error: duration must be at least one millisecond")),
        // 1,000 years: sums of a few of these stay far from overflow.
        ms if ms > 31_536_000_000_000 => Err(bad("parse error: duration out of range")),
        ms => Ok(ms),
    }
}

fn unix_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    }
}

fn without_parens(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(e) => without_parens(&e.expr),
        other => other,
    }
}

fn is_range(expr: &Expr) -> bool {
    matches!(without_parens(expr), Expr::MatrixSelector(_) | Expr::Subquery(_))
}

fn string_literal(expr: &Expr, function: &str) -> Result<String, QueryError> {
    match without_parens(expr) {
        Expr::StringLiteral(e) => Ok(e.val.clone()),
        _ => Err(bad(format!("{function}() needs string literals here"))),
    }
}

/// The labels that `absent` can know: those that the selector fixes with `=`.
fn labels_for_absent(expr: Option<&Expr>) -> Result<Labels, QueryError> {
    let selector = match expr.map(without_parens) {
        Some(Expr::VectorSelector(e)) => e,
        Some(Expr::MatrixSelector(e)) => &e.vs,
        _ => return Ok(Labels::default()),
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<String> = Vec::new();
    for matcher in matchers(selector)?.into_iter().filter(|m| m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name) {
            labels.set(matcher.name.as_str(), matcher.value.as_str());
            seen.push(matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    Ok(labels.build())
}
