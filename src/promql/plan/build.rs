//! From the parser's tree to a [`Plan`].

mod info;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Call as ParsedCall, Expr, LabelModifier, Offset, SubqueryExpr,
    VectorMatchCardinality, VectorSelector,
};

use super::{
    Aggregate, AggregateOp, Arithmetic, Binary, Call, Cardinality, Comparison, Fetch, LabelSet, Node, Operator, Plan,
    RangeArgument, RangeCall, RangeSamples, Selector, SetOperator, Shift, Steps,
};
use crate::base::time::millis;
use crate::base::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};
use crate::promql::engine::QueryError;
use crate::promql::functions::{Kind, label, lookup};
use crate::promql::parse::{MAX_DEPTH, matchers};

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

    fn call(&mut self, e: &ParsedCall, steps: Steps, depth: usize) -> Result<Call, QueryError> {
        let name = e.func.name;
        let kind = lookup(name).ok_or_else(|| bad(format!("function {name}() is not supported")))?;
        let args: Vec<&Expr> = e.args.args.iter().map(Box::as_ref).collect();
        let mut node = |i: usize| match args.get(i) {
            Some(arg) => self.node(arg, steps, depth + 1),
            None => Err(bad(format!("argument {} of {name}() is missing", i + 1))),
        };
        let text = |i: usize| args.get(i).map_or(Ok(String::new()), |arg| string_literal(arg, name));
        Ok(match kind {
            Kind::Range(function) => return self.range_call(name, function, &args, steps, depth),
            Kind::AbsentOverTime => return self.absent_over_time(&args, steps, depth),
            Kind::Timestamp => return self.timestamp(&args, steps, depth),
            Kind::Float(function) => Call::Float { function, argument: node(0)? },
            Kind::Date(function) => {
                let now = || Node::Call(Box::new(Call::Vector(Node::Call(Box::new(Call::Time)))));
                Call::Float { function, argument: if args.is_empty() { now() } else { node(0)? } }
            }
            Kind::Parameters(function) => {
                let parameters = (1..args.len()).map(&mut node).collect::<Result<_, _>>()?;
                Call::Parameters { function, argument: node(0)?, parameters }
            }
            Kind::Histogram(function) => {
                let last = args.len().saturating_sub(1);
                let parameters = (0..last).map(&mut node).collect::<Result<_, _>>()?;
                Call::Histogram { function, argument: node(last)?, parameters }
            }
            Kind::HistogramQuantile => Call::HistogramQuantile { quantile: node(0)?, argument: node(1)? },
            Kind::HistogramQuantiles => Call::HistogramQuantiles {
                argument: node(0)?,
                label: text(1)?,
                quantiles: (2..args.len()).map(node).collect::<Result<_, _>>()?,
            },
            Kind::StartTimestamp => Call::Nothing(node(0)?),
            Kind::Info => return self.info(&args, steps, depth),
            Kind::HistogramFraction => Call::HistogramFraction { lower: node(0)?, upper: node(1)?, argument: node(2)? },
            Kind::LabelReplace => Call::LabelReplace {
                argument: node(0)?,
                replace: label::Replace::new(text(1)?, text(2)?, text(3)?, &text(4)?)?,
            },
            Kind::LabelJoin => {
                let sources = (3..args.len()).map(text).collect::<Result<_, _>>()?;
                Call::LabelJoin { argument: node(0)?, join: label::Join::new(text(1)?, text(2)?, sources)? }
            }
            Kind::Sort { descending } => Call::Sort { argument: node(0)?, descending },
            Kind::SortByLabel { descending } => {
                let labels = (1..args.len()).map(text).collect::<Result<_, _>>()?;
                Call::SortByLabel { argument: node(0)?, labels, descending }
            }
            Kind::Absent => Call::Absent { argument: node(0)?, labels: labels_for_absent(args.first().copied())? },
            Kind::Scalar => Call::Scalar(node(0)?),
            Kind::Vector => Call::Vector(node(0)?),
            Kind::Extreme { larger } => Call::Extreme { larger, left: node(0)?, right: node(1)? },
            Kind::Time => Call::Time,
            Kind::Constant(constant) => return Ok(Call::Scalar(Node::Number(constant(&self.query)))),
        })
    }

    fn range_call(
        &mut self,
        name: &'static str,
        function: crate::promql::functions::RangeFn,
        args: &[&Expr],
        steps: Steps,
        depth: usize,
    ) -> Result<Call, QueryError> {
        let mut argument = None;
        let mut parameters = Vec::new();
        for arg in args {
            match is_range(arg) {
                true => argument = Some(self.range(arg, steps, depth + 1)?),
                false => parameters.push(self.node(arg, steps, depth + 1)?),
            }
        }
        let argument = argument.ok_or_else(|| bad(format!("{name}() needs a range vector")))?;
        let keep_name = matches!(name, "last_over_time" | "first_over_time");
        if !parameters.iter().all(|p| matches!(p, Node::Number(_))) {
            self.keep(&argument);
        }
        self.calls.push(RangeCall { name, function, keep_name, argument, parameters, steps });
        Ok(Call::Range(self.calls.len() - 1))
    }

    fn absent_over_time(&mut self, args: &[&Expr], steps: Steps, depth: usize) -> Result<Call, QueryError> {
        let arg = args.first().copied().ok_or_else(|| bad("absent_over_time() needs a range vector"))?;
        let labels = labels_for_absent(Some(arg))?;
        Ok(Call::AbsentOverTime { argument: self.kept_range(arg, steps, depth + 1)?, labels })
    }

    fn timestamp(&mut self, args: &[&Expr], steps: Steps, depth: usize) -> Result<Call, QueryError> {
        let arg = args.first().copied().ok_or_else(|| bad("timestamp() needs an instant vector"))?;
        match without_parens(arg) {
            Expr::VectorSelector(e) => Ok(Call::TimestampOf(self.selector(e, steps)?)),
            _ => Ok(Call::Timestamp(self.node(arg, steps, depth + 1)?)),
        }
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

fn label_set(modifier: &LabelModifier) -> LabelSet {
    match modifier {
        LabelModifier::Include(l) => LabelSet::Only(l.labels.clone()),
        LabelModifier::Exclude(l) => LabelSet::Without(l.labels.clone()),
    }
}

fn operator(op: TokenType) -> Result<Operator, QueryError> {
    use Operator::{Arithmetic as A, Compare as C, Set as S};
    Ok(match op.id() {
        token::T_ADD => A(Arithmetic::Add),
        token::T_SUB => A(Arithmetic::Subtract),
        token::T_MUL => A(Arithmetic::Multiply),
        token::T_DIV => A(Arithmetic::Divide),
        token::T_MOD => A(Arithmetic::Modulo),
        token::T_POW => A(Arithmetic::Power),
        token::T_ATAN2 => A(Arithmetic::Atan2),
        token::T_EQLC => C(Comparison::Equal),
        token::T_NEQ => C(Comparison::NotEqual),
        token::T_LSS => C(Comparison::Less),
        token::T_LTE => C(Comparison::LessOrEqual),
        token::T_GTR => C(Comparison::Greater),
        token::T_GTE => C(Comparison::GreaterOrEqual),
        token::T_LAND => S(SetOperator::And),
        token::T_LOR => S(SetOperator::Or),
        token::T_LUNLESS => S(SetOperator::Unless),
        _ => return Err(bad(format!("operator {op} is not supported"))),
    })
}

fn aggregate_op(op: TokenType) -> Result<AggregateOp, QueryError> {
    Ok(match op.id() {
        token::T_SUM => AggregateOp::Sum,
        token::T_AVG => AggregateOp::Average,
        token::T_COUNT => AggregateOp::Count,
        token::T_MIN => AggregateOp::Min,
        token::T_MAX => AggregateOp::Max,
        token::T_GROUP => AggregateOp::Group,
        token::T_STDDEV => AggregateOp::StandardDeviation,
        token::T_STDVAR => AggregateOp::Variance,
        token::T_TOPK => AggregateOp::Top,
        token::T_BOTTOMK => AggregateOp::Bottom,
        token::T_COUNT_VALUES => AggregateOp::CountValues,
        token::T_QUANTILE => AggregateOp::Quantile,
        token::T_LIMITK => AggregateOp::Limit,
        token::T_LIMIT_RATIO => AggregateOp::LimitRatio,
        _ => return Err(bad(format!("aggregation {op} is not supported"))),
    })
}
