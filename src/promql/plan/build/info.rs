//! `info()`: which samples of info metrics it needs.

use promql_parser::parser::{Expr, VectorSelector};

use super::{Builder, bad, without_parens};
use crate::base::{METRIC_NAME, MatchOp, Matcher};
use crate::promql::engine::QueryError;
use crate::promql::parse::matchers;
use crate::promql::plan::{Call, Info, Shift, Steps};

/// The info metric that is meant when none is named.
const TARGET_INFO: &str = "target_info";

impl Builder {
    /// What identifies the target is known from samples alone, so all info metrics are fetched, for the time
    /// that the first selector of the argument looks at.
    pub(super) fn info(&mut self, args: &[&Expr], steps: Steps, depth: usize) -> Result<Call, QueryError> {
        let [argument, conditions @ ..] = args else { return Err(bad("info() needs an instant vector")) };
        let conditions = match conditions.first().map(|e| without_parens(e)) {
            None => Vec::new(),
            Some(Expr::VectorSelector(e)) if e.name.is_none() => matchers(e)?,
            Some(_) => return Err(bad("parse error: expected label selectors only, got vector selector instead")),
        };
        let (names, labels): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|m| m.name == METRIC_NAME);
        let names = info_names(names)?;
        let fetched = names.iter().chain(&labels).cloned().collect();
        let shift = first_selector(argument).map_or(Shift::default(), |e| self.shift(e.at.as_ref(), e.offset.as_ref()));
        let (first, last) = (shift.apply(steps.start), shift.apply(steps.last()));
        let fetch = self.kept_fetch(fetched, first.saturating_sub(self.lookback), last);
        Ok(Call::Info(Info { argument: self.node(argument, steps, depth + 1)?, fetch, names, labels }))
    }
}

/// Conditions that only exclude names leave all that are called like info metrics.
fn info_names(mut names: Vec<Matcher>) -> Result<Vec<Matcher>, QueryError> {
    if names.is_empty() {
        names.push(Matcher::equal(METRIC_NAME, TARGET_INFO));
    } else if names.iter().all(Matcher::is_negative) {
        names.push(Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info").map_err(|e| bad(e.to_string()))?);
    }
    Ok(names)
}

/// The first instant vector selector in the order of the text.
fn first_selector(expr: &Expr) -> Option<&VectorSelector> {
    match expr {
        Expr::VectorSelector(e) => Some(e),
        Expr::MatrixSelector(e) => Some(&e.vs),
        Expr::Paren(e) => first_selector(&e.expr),
        Expr::Subquery(e) => first_selector(&e.expr),
        Expr::Unary(e) => first_selector(&e.expr),
        Expr::Binary(e) => first_selector(&e.lhs).or_else(|| first_selector(&e.rhs)),
        Expr::Aggregate(e) => {
            first_selector(&e.expr).or_else(|| e.param.as_ref().and_then(|param| first_selector(param)))
        }
        Expr::Call(e) => e.args.args.iter().find_map(|arg| first_selector(arg)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => None,
    }
}
