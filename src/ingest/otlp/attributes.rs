//! Attributes: looked up by name, and as text.
//!
//! Text follows the OpenTelemetry specification, "Attribute", section "Non-OTLP protocols": plain strings as
//! they are, other values as JSON, bytes in Base64.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine as _;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// The first of these attributes that has a value.
pub(super) fn find<'a>(attributes: &'a [KeyValue], names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        let of_name = attributes.iter().find(|a| a.key == *name)?;
        of_name.value.as_ref()?.value.as_ref()
    })
}

/// The text of the first of these attributes that has a value.
pub(super) fn find_text<'a>(attributes: &'a [KeyValue], names: &[&str]) -> Option<Cow<'a, str>> {
    find(attributes, names).map(text)
}

/// The number of the first of these attributes that has a value, if it is one or looks like one.
pub(super) fn find_integer(attributes: &[KeyValue], names: &[&str]) -> Option<i64> {
    match find(attributes, names)? {
        Value::IntValue(n) => Some(*n),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// The text of an attribute that may be empty.
pub(super) fn text_of(value: Option<&AnyValue>) -> Cow<'_, str> {
    value.and_then(|v| v.value.as_ref()).map(text).unwrap_or_default()
}

/// A value as text.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::StringValue(text) => Cow::Borrowed(text),
        Value::BoolValue(true) => Cow::Borrowed("true"),
        Value::BoolValue(false) => Cow::Borrowed("false"),
        Value::BytesValue(bytes) => Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes)),
        // It points into a table that only profiles have.
        Value::StringValueStrindex(_) => Cow::Borrowed(""),
        Value::IntValue(_) | Value::DoubleValue(_) | Value::ArrayValue(_) | Value::KvlistValue(_) => {
            let mut json = String::new();
            write_json(&mut json, Some(value));
            Cow::Owned(json)
        }
    }
}

fn write_json(out: &mut String, value: Option<&Value>) {
    match value {
        None => out.push_str("null"),
        Some(Value::IntValue(n)) => push(out, format_args!("{n}")),
        Some(Value::DoubleValue(n)) => write_double(out, *n),
        Some(Value::BoolValue(b)) => push(out, format_args!("{b}")),
        Some(Value::ArrayValue(array)) => {
            write_list(out, ['[', ']'], &array.values, |out, v| write_json(out, v.value.as_ref()));
        }
        Some(Value::KvlistValue(list)) => write_list(out, ['{', '}'], &list.values, |out, pair| {
            write_string(out, &pair.key);
            out.push(':');
            write_json(out, pair.value.as_ref().and_then(|v| v.value.as_ref()));
        }),
        Some(value @ (Value::StringValue(_) | Value::BytesValue(_) | Value::StringValueStrindex(_))) => {
            write_string(out, &text(value));
        }
    }
}

fn write_list<T>(out: &mut String, ends: [char; 2], items: &[T], write: impl Fn(&mut String, &T)) {
    out.push(ends[0]);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(ends[1]);
}

/// A number of JSON, or one of the three names that JSON has no number for.
fn write_double(out: &mut String, n: f64) {
    if n.is_nan() {
        out.push_str("NaN");
    } else if n.is_infinite() {
        out.push_str(if n > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        push(out, format_args!("{n}"));
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _infallible = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_are_text_as_the_specification_says() {
        let list = |values: Vec<Value>| Value::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() });
        let pair =
            |key: &str, value: Value| KeyValue { key: key.into(), value: Some(any(value)), ..Default::default() };
        for (value, expected) in [
            (Value::StringValue("a\"b".into()), "a\"b"),
            (Value::BoolValue(true), "true"),
            (Value::IntValue(-7), "-7"),
            (Value::DoubleValue(637.704), "637.704"),
            (Value::DoubleValue(1.0), "1"),
            (Value::DoubleValue(f64::NAN), "NaN"),
            (Value::BytesValue(vec![1, 2, 3]), "AQID"),
            (list(vec![Value::StringValue("a\"b".into()), Value::IntValue(1)]), r#"["a\"b",1]"#),
            (list(vec![]), "[]"),
            (
                Value::KvlistValue(KeyValueList {
                    values: vec![pair("k", list(vec![Value::BoolValue(false)])), pair("l", Value::BytesValue(vec![1]))],
                }),
                r#"{"k":[false],"l":"AQ=="}"#,
            ),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn the_first_name_with_a_value_wins() {
        let attributes = [
            KeyValue {
                key: "http.method".into(),
                value: Some(any(Value::StringValue("GET".into()))),
                ..Default::default()
            },
            KeyValue { key: "http.request.method".into(), value: None, ..Default::default() },
            KeyValue { key: "status".into(), value: Some(any(Value::StringValue("204".into()))), ..Default::default() },
        ];
        assert_eq!(find_text(&attributes, &["http.request.method", "http.method"]).as_deref(), Some("GET"));
        assert_eq!(find_integer(&attributes, &["status"]), Some(204));
        assert_eq!(find_integer(&attributes, &["http.method"]), None);
    }
}
