//! What an expression evaluates to.

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::sketch::NativeHistogram;

/// A float or a histogram.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<NativeHistogram>),
}

/// One element of an instant vector; all have the evaluation's time.
#[derive(Debug, Clone, PartialEq)]
pub struct InstantSample {
    /// Without a name where an operation removed it.
    pub labels: Labels,
    /// The value.
    pub point: Point,
}

impl InstantSample {
    /// The number, unless it is a histogram.
    pub fn float(&self) -> Option<f64> {
        match self.point {
            Point::Float(v) => Some(v),
            Point::Histogram(_) => None,
        }
    }
}

/// One series of a range query's or range vector's result.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// The labels.
    pub labels: Labels,
    /// Ascending in time.
    pub points: Vec<(Timestamp, Point)>,
}

/// The four types of PromQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A string literal.
    String(String),
    /// An instant vector.
    Vector(Vec<InstantSample>),
    /// A range vector, or the result of a range query.
    Matrix(Vec<RangeSeries>),
}

/// A value with what the evaluation remarked.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// For the user to act on.
    pub warnings: Vec<String>,
    /// For the user to know.
    pub infos: Vec<String>,
}
