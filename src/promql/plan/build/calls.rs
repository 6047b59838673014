//! Function calls.

use promql_parser::parser::{Call as ParsedCall, Expr};

use super::{Builder, bad, is_range, labels_for_absent, string_literal, without_parens};
use crate::promql::engine::QueryError;
use crate::promql::functions::{Kind, RangeFn, label, lookup};
use crate::promql::plan::{Call, Node, RangeCall, Steps};

impl Builder {
    pub(super) fn call(&mut self, e: &ParsedCall, steps: Steps, depth: usize) -> Result<Call, QueryError> {
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
        function: RangeFn,
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
