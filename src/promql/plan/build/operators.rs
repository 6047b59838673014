//! Operators, aggregations and label lists by the parser's tokens.

use promql_parser::parser::LabelModifier;
use promql_parser::parser::token::{self, TokenType};

use super::bad;
use crate::promql::engine::QueryError;
use crate::promql::plan::{AggregateOp, Arithmetic, Comparison, LabelSet, Operator, SetOperator};

pub(super) fn label_set(modifier: &LabelModifier) -> LabelSet {
    match modifier {
        LabelModifier::Include(l) => LabelSet::Only(l.labels.clone()),
        LabelModifier::Exclude(l) => LabelSet::Without(l.labels.clone()),
    }
}

pub(super) fn operator(op: TokenType) -> Result<Operator, QueryError> {
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

pub(super) fn aggregate_op(op: TokenType) -> Result<AggregateOp, QueryError> {
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
