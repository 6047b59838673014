//! Which counters an objective's events are read from, and the exact reading of them.

use std::collections::BTreeMap;

use promql_parser::label::MatchOp as ParsedOp;
use promql_parser::parser::Expr;

use crate::base::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};
use crate::promql::SourceError;
use crate::series::Known;
use crate::slo::{Counts, Measure};

/// A measure whose selectors are parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Selectors {
    part: Vec<Matcher>,
    part_is_bad: bool,
    total: Vec<Matcher>,
    by: Vec<String>,
}

/// Why a selector of an objective selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{selector:?} is not a selector of counters: {reason}")]
pub struct SelectorError {
    selector: String,
    reason: String,
}

impl Selectors {
    /// Parses a measure.
    pub fn parse(measure: &Measure) -> Result<Self, SelectorError> {
        Ok(Self {
            part: parse_selector(&measure.part)?,
            part_is_bad: measure.part_is_bad,
            total: parse_selector(&measure.total)?,
            by: measure.by.clone(),
        })
    }

    /// Whether everything is one group.
    pub fn is_single(&self) -> bool {
        self.by.is_empty()
    }

    /// Good and total events between two instants, by group.
    pub async fn read(
        &self,
        known: &dyn Known,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<BTreeMap<Labels, Counts>, SourceError> {
        let by: Vec<&str> = self.by.iter().map(String::as_str).collect();
        self.read_by(known, start, end, |labels| labels.only(&by)).await
    }

    /// Good and total events between two instants for each combination of all labels.
    pub async fn read_apart(
        &self,
        known: &dyn Known,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<BTreeMap<Labels, Counts>, SourceError> {
        self.read_by(known, start, end, |labels| labels.without(&[METRIC_NAME, "le"])).await
    }

    /// Two reads are not one instant. The side that good events come from is read so that an event in
    /// between is first missing, never first good: what was recorded as good could not be taken back.
    async fn read_by(
        &self,
        known: &dyn Known,
        start: Timestamp,
        end: Timestamp,
        group: impl Fn(&Labels) -> Labels,
    ) -> Result<BTreeMap<Labels, Counts>, SourceError> {
        let (part, total) = if self.part_is_bad {
            let total = known.increases(&self.total, start, end).await?;
            (known.increases(&self.part, start, end).await?, total)
        } else {
            let part = known.increases(&self.part, start, end).await?;
            (part, known.increases(&self.total, start, end).await?)
        };
        let mut counts: BTreeMap<Labels, Counts> = BTreeMap::new();
        for (labels, increase) in total {
            counts.entry(group(&labels)).or_default().total += increase;
        }
        for (labels, increase) in part {
            // The part is kept in `good` until all of it is summed.
            counts.entry(group(&labels)).or_default().good += increase;
        }
        for count in counts.values_mut() {
            let good = if self.part_is_bad { count.total - count.good } else { count.good };
            count.good = good.clamp(0.0, count.total);
        }
        Ok(counts)
    }
}

/// The events of an objective between two instants, from the counters that the evaluator records.
pub async fn recorded(
    known: &dyn Known,
    metric: &str,
    objective: &str,
    start: Timestamp,
    end: Timestamp,
) -> Result<f64, SourceError> {
    let matchers = [Matcher::equal(METRIC_NAME, metric), Matcher::equal("objective", objective)];
    Ok(known.increases(&matchers, start, end).await?.iter().map(|(_, increase)| increase).sum())
}

/// Parses an instant selector without modifiers.
fn parse_selector(selector: &str) -> Result<Vec<Matcher>, SelectorError> {
    let error = |reason: String| SelectorError { selector: selector.to_owned(), reason };
    let mut expr = promql_parser::parser::parse(selector).map_err(error)?;
    while let Expr::Paren(inner) = expr {
        expr = *inner.expr;
    }
    let Expr::VectorSelector(vector) = expr else { return Err(error("it is an expression".to_owned())) };
    if vector.offset.is_some() || vector.at.is_some() || !vector.matchers.or_matchers.is_empty() {
        return Err(error("modifiers and alternatives are not possible here".to_owned()));
    }
    let name = vector.name.map(|name| Matcher::equal(METRIC_NAME, name));
    let others = vector.matchers.matchers.into_iter().map(|m| {
        let op = match m.op {
            ParsedOp::Equal => MatchOp::Equal,
            ParsedOp::NotEqual => MatchOp::NotEqual,
            ParsedOp::Re(_) => MatchOp::Regex,
            ParsedOp::NotRe(_) => MatchOp::NotRegex,
        };
        Matcher::new(m.name, op, m.value).map_err(|e| error(e.to_string()))
    });
    name.map(Ok).into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_become_matchers() {
        let text: Vec<String> = parse_selector(r#"(http_count{code!~"5..", route="/a"})"#)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(text, [r#"__name__="http_count""#, r#"code!~"5..""#, r#"route="/a""#]);
        for bad in ["rate(a[5m])", "a offset 5m", "a + b", "a{", "1"] {
            assert!(parse_selector(bad).is_err(), "{bad}");
        }
    }
}
