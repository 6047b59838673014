//! From text to syntax tree. The parser is a crate; this adds what it lacks: limits on length and depth
//! (its tree is walked and dropped recursively), Prometheus's wording, and our own matchers.

mod experimental;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use promql_parser::label::MatchOp as ParsedOp;
use promql_parser::parser::{Expr, VectorSelector};

use super::engine::QueryError;
use super::plan;
use crate::base::{METRIC_NAME, MatchOp, Matcher};

/// How deep an expression may be nested: what fits on the 2 MiB stack of a worker thread, with a margin.
pub const MAX_DEPTH: usize = 100;
/// Longer expressions are refused.
const MAX_BYTES: usize = 64 << 10;
/// A chain of operators nests as deep as it is long.
const MAX_OPERATORS: usize = 1000;

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprType {
    /// A number.
    Scalar,
    /// A string.
    String,
    /// One value for each series.
    InstantVector,
    /// Samples over a time.
    RangeVector,
}

impl fmt::Display for ExprType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::InstantVector => "instant vector",
            Self::RangeVector => "range vector",
        })
    }
}

/// Whether the engine can evaluate `expression`, and to what. `BadData` says what is wrong.
pub fn parse_check(expression: &str) -> Result<ExprType, QueryError> {
    let expr = parse(expression)?;
    plan::check(&expr)?;
    Ok(expr_type(&expr))
}

/// The matchers of every selector in an expression, the metric's name included, in the order of the text;
/// selectors that read the same samples are listed once.
pub fn selectors(expression: &str) -> Result<Vec<Vec<Matcher>>, QueryError> {
    let expr = parse(expression)?;
    Ok(plan::check(&expr)?.fetches.into_iter().map(|fetch| fetch.matchers).collect())
}

/// The matchers of a text that is one selector and nothing else: what `match[]` takes.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, QueryError> {
    match parse(text)? {
        Expr::VectorSelector(selector) if selector.at.is_none() && selector.offset.is_none() => matchers(&selector),
        _ => Err(QueryError::BadData(format!("parse error: {text:?} is no series selector"))),
    }
}

/// A duration as `step` and `timeout` take it: seconds (`1.5`) or Prometheus's form (`1h30m`); `None` for
/// what is neither, negative, or over 1,000 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const LIMIT: f64 = 3.2e10;
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..LIMIT).contains(&seconds) => Some(Duration::from_secs_f64(seconds)),
        Ok(_) => None,
        Err(_) => promql_parser::util::parse_duration(text).ok(),
    }
}

/// The expression in the canonical layout of `format_query`.
pub fn prettify(expression: &str) -> Result<String, QueryError> {
    Ok(parse(expression)?.prettify())
}

/// Parses and type-checks.
pub(super) fn parse(expression: &str) -> Result<Expr, QueryError> {
    check_limits(expression)?;
    // The parser panics on durations that are negative, NaN or beyond 64 bits, such as `x[Inf]`.
    let parsed = catch_unwind(AssertUnwindSafe(|| promql_parser::parser::parse(expression)));
    match parsed {
        Ok(Ok(expr)) => Ok(expr),
        Ok(Err(message)) => Err(QueryError::BadData(match experimental::feature_of(expression) {
            Some(feature) => format!("parse error: {feature} is an experimental feature and not supported"),
            None => format!("parse error: {message}"),
        })),
        Err(_) => Err(QueryError::BadData("parse error: duration out of range".to_owned())),
    }
}

pub(super) fn expr_type(expr: &Expr) -> ExprType {
    use promql_parser::parser::value::ValueType;
    match expr.value_type() {
        ValueType::Scalar => ExprType::Scalar,
        ValueType::String => ExprType::String,
        ValueType::Vector => ExprType::InstantVector,
        ValueType::Matrix => ExprType::RangeVector,
    }
}

/// A selector's conditions as ours.
pub(super) fn matchers(selector: &VectorSelector) -> Result<Vec<Matcher>, QueryError> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(QueryError::BadData("parse error: \"or\" between label matchers is not PromQL".to_owned()));
    }
    let name = selector.name.as_ref().map(|name| Ok(Matcher::equal(METRIC_NAME, name.clone())));
    let rest = selector.matchers.matchers.iter().map(|m| {
        let op = match m.op {
            ParsedOp::Equal => MatchOp::Equal,
            ParsedOp::NotEqual => MatchOp::NotEqual,
            ParsedOp::Re(_) => MatchOp::Regex,
            ParsedOp::NotRe(_) => MatchOp::NotRegex,
        };
        Matcher::new(m.name.clone(), op, m.value.clone()).map_err(|e| QueryError::BadData(format!("parse error: {e}")))
    });
    name.into_iter().chain(rest).collect()
}

/// Refuses what would overflow the stack, before a tree exists.
fn check_limits(expression: &str) -> Result<(), QueryError> {
    let refuse = |what: String| Err(QueryError::BadData(format!("expression is too complex: {what}")));
    if expression.trim().is_empty() {
        return Err(QueryError::BadData("parse error: no expression found in input".to_owned()));
    }
    if expression.len() > MAX_BYTES {
        return refuse(format!("{} bytes, at most {MAX_BYTES}", expression.len()));
    }
    let shape = Shape::of(expression);
    if shape.depth > MAX_DEPTH {
        return refuse(format!("nested {} deep, at most {MAX_DEPTH}", shape.depth));
    }
    if shape.operators > MAX_OPERATORS {
        return refuse(format!("{} operators, at most {MAX_OPERATORS}", shape.operators));
    }
    Ok(())
}

/// How an expression looks from afar: brackets and operators outside of strings and comments.
#[derive(Default)]
struct Shape {
    depth: usize,
    operators: usize,
}

impl Shape {
    fn of(expression: &str) -> Self {
        let mut shape = Self::default();
        let mut open = 0usize;
        let mut word = String::new();
        let mut chars = expression.chars();
        while let Some(c) = chars.next() {
            if !c.is_alphanumeric() {
                shape.operators += usize::from(is_operator_word(&word));
                word.clear();
            }
            match c {
                '"' | '\'' | '`' => skip_string(&mut chars, c),
                '#' => drop(chars.by_ref().find(|c| *c == '\n')),
                '(' | '[' | '{' => {
                    open += 1;
                    shape.depth = shape.depth.max(open);
                }
                ')' | ']' | '}' => open = open.saturating_sub(1),
                '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' | '@' => shape.operators += 1,
                c if c.is_alphanumeric() && word.len() < 8 => word.push(c.to_ascii_lowercase()),
                _ => {}
            }
        }
        shape
    }
}

fn is_operator_word(word: &str) -> bool {
    matches!(word, "and" | "or" | "unless" | "atan2" | "offset")
}

/// An expression without its strings and comments.
fn outside_strings(expression: &str) -> String {
    let mut outside = String::new();
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' | '`' => skip_string(&mut chars, c),
            '#' => drop(chars.by_ref().find(|c| *c == '\n')),
            c => outside.push(c),
        }
    }
    outside
}

fn skip_string(chars: &mut std::str::Chars<'_>, quote: char) {
    while let Some(c) = chars.next() {
        if c == quote {
            return;
        }
        if c == '\\' && quote != '`' {
            chars.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(expression: &str) -> String {
        parse_check(expression).unwrap_err().to_string()
    }

    #[test]
    fn knows_types() {
        assert_eq!(parse_check("1 + 1").unwrap(), ExprType::Scalar);
        assert_eq!(parse_check("\"a\"").unwrap(), ExprType::String);
        assert_eq!(parse_check("sum by (a) (rate(x[5m])) > 1").unwrap(), ExprType::InstantVector);
        assert_eq!(parse_check("x[5m]").unwrap(), ExprType::RangeVector);
        assert_eq!(ExprType::RangeVector.to_string(), "range vector");
    }

    #[test]
    fn refuses_with_a_reason() {
        assert!(message("").contains("no expression"));
        assert!(message("sum(").starts_with("parse error"));
        assert!(message("rate(x)").contains("expected type"));
        assert!(message("nosuch(x)").contains("unknown function"));
        for range in ["1e300", "1e15", "0.0001"] {
            assert!(message(&format!("x[{range}]")).contains("duration"), "{}", message(&format!("x[{range}]")));
        }
        assert!(message("x{a=~\"(\"}").contains("parse error"));
        assert!(message("{a=\"1\" or b=\"2\"}").contains("not PromQL"));
        assert!(message("info(x, y)").contains("label selectors only"));
        assert!(message("rate(x[5m + 1m])").contains("experimental"));
        assert!(message("integral(x[5m])").contains("integral"));
    }

    #[test]
    fn deep_or_long_expressions_do_not_reach_the_parser() {
        assert!(message(&"(".repeat(100_000)).contains("too complex"));
        assert!(message(&format!("{}1", "-".repeat(60_000))).contains("operators"));
        assert!(message(&format!("1{}", " + 1".repeat(5_000))).contains("operators"));
        assert!(message(&format!("x{}", " or x".repeat(5_000))).contains("operators"));
        assert!(parse_check(&format!("1{}", " + 1".repeat(90))).is_ok());
        assert!(message(&format!("1{}", " + 1".repeat(500))).contains("nested"));
        assert!(parse_check("x{a=\"((((((----+++\"} # ((((").is_ok());
    }

    #[test]
    fn reads_durations_and_selectors() {
        assert_eq!(parse_duration("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        for bad in ["", "-1", "NaN", "1e300", "5x", "inf"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(parse_selector("{a=\"1\"}").unwrap(), [Matcher::equal("a", "1")]);
        for bad in ["sum(x)", "x[5m]", "x offset 5m", "1", ""] {
            assert!(parse_selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_the_matchers_of_every_selector() {
        let found = selectors(r#"sum(rate(a_total{x="1"}[5m])) / b{y!~"2.."} offset 1h"#).unwrap();
        let text: Vec<String> = found.iter().map(|m| format!("{m:?}")).collect();
        assert_eq!(text, [r#"[__name__="a_total", x="1"]"#, r#"[__name__="b", y!~"2.."]"#]);
    }
}
