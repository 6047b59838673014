//! Nothing vanishes uncounted: every datum that is not counted has a reason with a stable name.

/// Why a datum was not counted. The names are label values of `plimsoll_ingest_dropped_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The body or line is not what its content type says.
    Malformed,
    /// A required field is missing or of the wrong type.
    Invalid,
    /// A number is NaN, infinite or beyond what the metric can be.
    Implausible,
    /// The metric or kind is not known.
    UnknownMetric,
    /// A string is longer than its limit.
    TooLong,
    /// The body is over its limit, packed or unpacked.
    TooLarge,
    /// The content type or encoding is not accepted.
    UnsupportedType,
    /// The key is missing or wrong.
    Unauthorized,
    /// The origin is not allowed for the key.
    ForbiddenOrigin,
    /// The client sends faster than its limit.
    RateLimited,
    /// A known bot or automated browser.
    Bot,
    /// The sender sampled it away.
    Sampled,
    /// The same report was already counted.
    Duplicate,
    /// A newer report of the same id was already there.
    Superseded,
    /// A report for an id that has already settled.
    Late,
    /// A dummy value that stands for nothing (TTFB of a restored page).
    Dummy,
    /// The stamp lies too far in the past or in the future.
    OutOfRange,
    /// The limit of series in total is reached.
    SeriesLimit,
    /// The limit of series for this service is reached.
    ServiceSeriesLimit,
    /// The limit of series for this metric is reached.
    MetricSeriesLimit,
    /// More labels than a series may have.
    TooManyLabels,
    /// Older than what its series has closed already, or than another of its time.
    OutOfOrder,
    /// An exemplar: told and counted, not kept.
    Exemplar,
    /// Well-formed, and of a kind that is not taken.
    Unsupported,
    /// The queue to the journal is full.
    Overloaded,
    /// The sender left before the answer; the journal may or may not have taken it.
    Abandoned,
    /// Our own fault: something was dropped without being accounted for.
    Internal,
}

impl DropReason {
    /// All reasons, for the metric catalogue.
    pub const ALL: [Self; 27] = [
        Self::Malformed,
        Self::Invalid,
        Self::Implausible,
        Self::UnknownMetric,
        Self::TooLong,
        Self::TooLarge,
        Self::UnsupportedType,
        Self::Unauthorized,
        Self::ForbiddenOrigin,
        Self::RateLimited,
        Self::Bot,
        Self::Sampled,
        Self::Duplicate,
        Self::Superseded,
        Self::Late,
        Self::Dummy,
        Self::OutOfRange,
        Self::SeriesLimit,
        Self::ServiceSeriesLimit,
        Self::MetricSeriesLimit,
        Self::TooManyLabels,
        Self::OutOfOrder,
        Self::Exemplar,
        Self::Unsupported,
        Self::Overloaded,
        Self::Abandoned,
        Self::Internal,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Implausible => "implausible",
            Self::UnknownMetric => "unknown_metric",
            Self::TooLong => "too_long",
            Self::TooLarge => "too_large",
            Self::UnsupportedType => "unsupported_type",
            Self::Unauthorized => "unauthorized",
            Self::ForbiddenOrigin => "forbidden_origin",
            Self::RateLimited => "rate_limited",
            Self::Bot => "bot",
            Self::Sampled => "sampled",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Late => "late",
            Self::Dummy => "dummy",
            Self::OutOfRange => "out_of_range",
            Self::SeriesLimit => "series_limit",
            Self::ServiceSeriesLimit => "service_series_limit",
            Self::MetricSeriesLimit => "metric_series_limit",
            Self::TooManyLabels => "too_many_labels",
            Self::OutOfOrder => "out_of_order",
            Self::Exemplar => "exemplar",
            Self::Unsupported => "unsupported",
            Self::Overloaded => "overloaded",
            Self::Abandoned => "abandoned",
            Self::Internal => "internal",
        }
    }
}
