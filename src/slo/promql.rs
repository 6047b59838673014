//! Writes PromQL as text, and checks that what was written parses.

use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, VectorSelector, parse};

use super::format::format_duration;
use super::objective::ObjectiveError;
use crate::sketch::format_le;
use std::time::Duration;

/// A refusal of the field at `path`.
pub(crate) fn refuse<T>(path: &str, message: impl Into<String>) -> Result<T, ObjectiveError> {
    Err(ObjectiveError { path: path.to_owned(), message: message.into() })
}

/// The parsed expression; the field at `path` is named when it does not parse.
pub(crate) fn parse_expr(path: &str, text: &str) -> Result<Expr, ObjectiveError> {
    parse(text).or_else(|e| refuse(path, format!("{text:?} is not PromQL: {}", e.trim())))
}

/// An expression that can be judged: its result is an instant vector or a scalar.
pub(crate) fn instant(path: &str, text: &str) -> Result<(), ObjectiveError> {
    use promql_parser::parser::value::ValueType;
    match parse_expr(path, text)?.value_type() {
        ValueType::Vector | ValueType::Scalar => Ok(()),
        other => refuse(path, format!("expected an instant vector or a number, this is a {other}")),
    }
}

/// Checks a plain selector of one metric's series, such as `orders_total{tier="gold"}`, and returns it trimmed.
pub(crate) fn selector(path: &str, text: &str) -> Result<String, ObjectiveError> {
    let text = text.trim();
    let plain = matches!(parse_expr(path, text)?, Expr::VectorSelector(s) if s.offset.is_none() && s.at.is_none());
    // A trailing comment would swallow the range that is put behind the selector.
    let ranged = matches!(parse(&format!("{text}[1m]")), Ok(Expr::MatrixSelector(_)));
    if plain && ranged {
        return Ok(text.to_owned());
    }
    refuse(
        path,
        "expected a plain selector of counters such as orders_total{tier=\"gold\"}: functions and windows are added by the objective",
    )
}

/// A histogram with matchers, from which the selectors of its parts are made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histogram {
    name: String,
    filter: String,
}

impl Histogram {
    /// `path` is that of the indicator; the fields `of` and `where` are below it.
    pub(crate) fn new(path: &str, name: &str, filter: &str) -> Result<Self, ObjectiveError> {
        if !crate::base::labels::is_metric_name(name) {
            return refuse(&format!("{path}.of"), format!("{name:?} is not a metric name"));
        }
        if let Some(base) = ["_bucket", "_count", "_sum"].iter().find_map(|s| name.strip_suffix(s)) {
            return refuse(&format!("{path}.of"), format!("name the histogram itself: {base}"));
        }
        let filter = filter.trim().trim_end_matches(',').to_owned();
        let histogram = Self { name: name.to_owned(), filter };
        histogram.check(&format!("{path}.where"))?;
        Ok(histogram)
    }

    fn check(&self, path: &str) -> Result<(), ObjectiveError> {
        let selector = match parse(&self.native()) {
            Ok(Expr::VectorSelector(s)) if self.is_plain(&s) => s,
            _ => {
                return refuse(
                    path,
                    format!("{:?} is not a list of matchers such as service_name=\"shop\"", self.filter),
                );
            }
        };
        if selector.matchers.matchers.iter().any(|m| m.name == "le" && m.op == MatchOp::Equal) {
            return refuse(path, "the bound comes from the threshold: leave `le` out");
        }
        Ok(())
    }

    fn is_plain(&self, selector: &VectorSelector) -> bool {
        selector.name.as_deref() == Some(&self.name) && selector.matchers.or_matchers.is_empty()
    }

    /// The native histogram's series.
    pub(crate) fn native(&self) -> String {
        self.with_matchers("", &self.filter)
    }

    /// The counters of values at or below a bound.
    pub(crate) fn bucket(&self, bound: f64) -> String {
        let comma = if self.filter.is_empty() { "" } else { "," };
        self.with_matchers("_bucket", &format!("{}{comma}le=\"{}\"", self.filter, format_le(bound)))
    }

    /// The counters of values at or below every bound.
    pub(crate) fn buckets(&self) -> String {
        self.with_matchers("_bucket", &self.filter)
    }

    /// The counters of all values.
    pub(crate) fn count(&self) -> String {
        self.with_matchers("_count", &self.filter)
    }

    fn with_matchers(&self, suffix: &str, matchers: &str) -> String {
        let name = &self.name;
        if matchers.is_empty() { format!("{name}{suffix}") } else { format!("{name}{suffix}{{{matchers}}}") }
    }
}

/// ` by (a, b) ` behind an aggregation; nothing when there is nothing to group by.
pub(crate) fn by(labels: &[String]) -> String {
    if labels.is_empty() { String::new() } else { format!(" by ({}) ", labels.join(", ")) }
}

/// `sum by (…) (increase(selector[window]))`
pub(crate) fn increase(selector: &str, window: Duration, labels: &[String]) -> String {
    format!("sum{}(increase({selector}[{}]))", by(labels), format_duration(window))
}

/// `part / total`, where a part that was never born counts as zero as long as there is a total.
pub(crate) fn share(part: &str, total: &str, window: Duration, labels: &[String]) -> String {
    let (part, total) = (increase(part, window, labels), increase(total, window, labels));
    format!("({part} or 0 * {total}) / {total}")
}
