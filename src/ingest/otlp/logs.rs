//! Log records: those of the event `browser.web_vital` are reports of web vitals; all others are counted as
//! unsupported, and their sender is not told. What the event says is read in [`browser_events`].

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::base::DropReason;
use crate::ingest::browser_events::{self, Value};
use crate::ingest::intake::{Authorize, IntakeError, Run};

/// Hands one record to the vitals' pipeline, or leaves it out.
pub(super) fn log_record(
    run: &mut Run<'_, '_>,
    place: usize,
    resource: &[KeyValue],
    record: &LogRecord,
    authorize: Authorize<'_>,
) -> Result<(), IntakeError> {
    let attributes = pairs(&record.attributes);
    if !browser_events::is_web_vital(&record.event_name, &attributes) {
        run.leave(DropReason::Unsupported);
        return Ok(());
    }
    let body = value(record.body.as_ref());
    run.view(place, browser_events::web_vital(&pairs(resource), &attributes, body.as_ref()), authorize)
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, Value<'_>)> {
    attributes.iter().filter_map(|a| Some((a.key.as_str(), value(a.value.as_ref())?))).collect()
}

/// A value, as far as vitals have use for it.
fn value(any: Option<&AnyValue>) -> Option<Value<'_>> {
    match any?.value.as_ref()? {
        Any::StringValue(text) => Some(Value::Text(text)),
        Any::BoolValue(flag) => Some(Value::Flag(*flag)),
        Any::IntValue(n) => Some(Value::Number(*n as f64)),
        Any::DoubleValue(n) => Some(Value::Number(*n)),
        Any::KvlistValue(list) => Some(Value::Map(pairs(&list.values))),
        Any::ArrayValue(_) | Any::BytesValue(_) | Any::StringValueStrindex(_) => None,
    }
}
