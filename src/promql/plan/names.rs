//! Operators and aggregations as they are written.

use super::{AggregateOp, Arithmetic, Comparison};

impl Arithmetic {
    pub(in crate::promql) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Atan2 => "atan2",
        }
    }
}

impl Comparison {
    pub(in crate::promql) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl AggregateOp {
    /// As it is written.
    pub(in crate::promql) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::StandardDeviation => "stddev",
            Self::Variance => "stdvar",
            Self::Top => "topk",
            Self::Bottom => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limit => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether histograms are left out.
    pub(in crate::promql) fn is_of_floats(self) -> bool {
        use AggregateOp as Op;
        matches!(self, Op::Min | Op::Max | Op::StandardDeviation | Op::Variance | Op::Top | Op::Bottom | Op::Quantile)
    }
}
