//! A query with everything resolved that does not depend on samples: functions, operators, label lists,
//! and the times that each selector reaches over all steps.

mod build;
mod names;

pub(super) use build::{build, check};

use super::functions::{FloatFn, HistogramFn, ParameterFn, RangeFn};
use crate::base::Matcher;

/// The instants at which a node is evaluated, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    pub(super) start: i64,
    /// At least 1.
    pub(super) step: i64,
    pub(super) count: usize,
}

impl Steps {
    pub(super) fn time(&self, index: usize) -> i64 {
        self.start + self.step * index as i64
    }

    pub(super) fn last(&self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }

    pub(super) fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let steps = *self;
        (0..steps.count).map(move |i| steps.time(i))
    }
}

/// `@` and `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Shift {
    pub(super) at: Option<i64>,
    pub(super) offset: i64,
}

impl Shift {
    /// The time a selector looks from when it is evaluated at `time`.
    pub(super) fn apply(&self, time: i64) -> i64 {
        self.at.unwrap_or(time).saturating_sub(self.offset)
    }

    /// Whether every step sees the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.at.is_some()
    }
}

/// Samples that a query needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fetch {
    pub(super) matchers: Vec<Matcher>,
    /// Exclusive, milliseconds.
    pub(super) start: i64,
    /// Inclusive.
    pub(super) end: i64,
    /// For a range vector, in which staleness markers do not show.
    pub(super) range: bool,
    /// The samples themselves are needed, not only what [`Plan::calls`] make of them.
    pub(super) kept: bool,
}

/// A function over a range vector. One that reads samples with parameters that are plain numbers is applied series by
/// series while they are read: a month of samples never is in memory at once.
#[derive(Debug)]
pub(super) struct RangeCall {
    pub(super) name: &'static str,
    pub(super) function: RangeFn,
    pub(super) keep_name: bool,
    pub(super) argument: RangeArgument,
    pub(super) parameters: Vec<Node>,
    /// The instants at which it is evaluated.
    pub(super) steps: Steps,
}

/// A resolved query.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) root: Node,
    pub(super) steps: Steps,
    pub(super) fetches: Vec<Fetch>,
    pub(super) calls: Vec<RangeCall>,
    pub(super) lookback: i64,
    /// Steps summed over all nodes: how much work there is apart from the samples.
    pub(super) node_steps: usize,
}

/// A node of a resolved query.
#[derive(Debug)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    Selector(Selector),
    /// A range vector by itself: only as the whole of an instant query.
    Range(RangeArgument),
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Box<Call>),
}

/// An instant vector selector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selector {
    /// Index into [`Plan::fetches`].
    pub(super) fetch: usize,
    pub(super) shift: Shift,
}

/// What stands in the place of a range vector.
#[derive(Debug)]
pub(super) struct RangeArgument {
    pub(super) range: i64,
    pub(super) shift: Shift,
    pub(super) samples: RangeSamples,
}

/// Where a range vector's samples come from.
#[derive(Debug)]
pub(super) enum RangeSamples {
    /// `x[5m]`; index into [`Plan::fetches`].
    Fetched(usize),
    /// `(…)[5m:1m]`, with the instants at which the inner expression is evaluated.
    Subquery(Box<Node>, Steps),
}

/// Which labels count.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LabelSet {
    /// `by`, `on`.
    Only(Vec<String>),
    /// `without`, `ignoring`; the metric's name never counts.
    Without(Vec<String>),
}

/// An operation on two operands.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) op: Operator,
    pub(super) left: Node,
    pub(super) right: Node,
    pub(super) return_bool: bool,
    pub(super) matching: LabelSet,
    pub(super) cardinality: Cardinality,
    /// What an element without a partner is matched with: on the left, on the right.
    pub(super) fill: (Option<f64>, Option<f64>),
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Arithmetic(Arithmetic),
    Compare(Comparison),
    Set(SetOperator),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperator {
    And,
    Or,
    Unless,
}

/// How many elements of one side may match one of the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels taken from the right.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels taken from the left.
    OneToMany(Vec<String>),
}

/// An aggregation.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) op: AggregateOp,
    pub(super) argument: Node,
    pub(super) parameter: Option<Node>,
    /// `None`: all in one group.
    pub(super) grouping: Option<LabelSet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateOp {
    Sum,
    Average,
    Count,
    Min,
    Max,
    Group,
    StandardDeviation,
    Variance,
    Top,
    Bottom,
    CountValues,
    Quantile,
    Limit,
    LimitRatio,
}

/// `info()`: elements with labels of the info metrics that describe the same target.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) argument: Node,
    /// Index into [`Plan::fetches`]: the info metrics' samples.
    pub(super) fetch: usize,
    /// Which metrics are info metrics: conditions on the name.
    pub(super) names: Vec<Matcher>,
    /// Which of their labels are wanted, and with what values; all when empty.
    pub(super) labels: Vec<Matcher>,
}

/// A function call.
#[derive(Debug)]
pub(super) enum Call {
    /// A window of samples to a value; index into [`Plan::calls`].
    Range(usize),
    /// A float to a float.
    Float {
        function: FloatFn,
        argument: Node,
    },
    /// A float with parameters to a float or nothing.
    Parameters {
        function: ParameterFn,
        argument: Node,
        parameters: Vec<Node>,
    },
    /// A native histogram to a float.
    Histogram {
        function: HistogramFn,
        argument: Node,
        parameters: Vec<Node>,
    },
    HistogramQuantile {
        quantile: Node,
        argument: Node,
    },
    HistogramQuantiles {
        argument: Node,
        label: String,
        quantiles: Vec<Node>,
    },
    Info(Info),
    /// No element, whatever the argument is.
    Nothing(Node),
    HistogramFraction {
        lower: Node,
        upper: Node,
        argument: Node,
    },
    LabelReplace {
        argument: Node,
        replace: super::functions::label::Replace,
    },
    LabelJoin {
        argument: Node,
        join: super::functions::label::Join,
    },
    Sort {
        argument: Node,
        descending: bool,
    },
    SortByLabel {
        argument: Node,
        labels: Vec<String>,
        descending: bool,
    },
    Absent {
        argument: Node,
        labels: crate::base::Labels,
    },
    AbsentOverTime {
        argument: RangeArgument,
        labels: crate::base::Labels,
    },
    Scalar(Node),
    Vector(Node),
    Time,
    /// The time of the samples themselves.
    TimestampOf(Selector),
    /// The time of evaluation, for what is no selector.
    Timestamp(Node),
    /// The larger (or smaller) of two scalars.
    Extreme {
        larger: bool,
        left: Node,
        right: Node,
    },
}
