//! Label sets as a `prometheus.TimeSeries` has them (`repeated Label labels = 1`), and what they must be.
//!
//! Names and values are any UTF-8 text, as in Prometheus 3. The order does not matter, an empty value is the
//! same as no label, and a name that comes twice makes the series invalid.

use crate::base::bounded::cut;
use crate::base::{DropReason, Labels, LabelsBuilder, METRIC_NAME};
use crate::ingest::LabelLimits;
use crate::ingest::outcome::Reject;

use super::wire::{Fields, WireError, put_bytes, put_varint, varint_len};

/// Why there is no label set.
#[derive(Debug, PartialEq)]
pub(super) enum LabelsError {
    /// The body cannot be read.
    Wire(WireError),
    /// The series is not taken.
    Refused(Reject),
}

impl From<WireError> for LabelsError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The finished labels of these fields; `service`, where there is one, as `service_name`.
pub(super) fn build(wire: &[u8], service: Option<&str>, limits: &LabelLimits) -> Result<Labels, LabelsError> {
    let pairs = pairs(wire)?;
    let checked = check(&pairs, limits).map_err(LabelsError::Refused)?;
    let mut builder = LabelsBuilder::default();
    for (name, value) in checked {
        builder.set(name, value);
    }
    if let Some(service) = service {
        builder.set("service_name", service);
    }
    Ok(builder.build())
}

type Pair<'a> = (&'a [u8], &'a [u8]);

fn pairs(wire: &[u8]) -> Result<Vec<Pair<'_>>, WireError> {
    let mut fields = Fields::new(wire);
    let mut pairs = Vec::with_capacity(16);
    while let Some((_, label)) = fields.next()? {
        pairs.push(pair(label.bytes()?)?);
    }
    Ok(pairs)
}

pub(super) fn pair(label: &[u8]) -> Result<Pair<'_>, WireError> {
    let mut fields = Fields::new(label);
    let mut pair: Pair<'_> = (&[], &[]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => pair.0 = value.bytes()?,
            2 => pair.1 = value.bytes()?,
            _ => {}
        }
    }
    Ok(pair)
}

/// The pairs as text, without the empty values.
fn check<'a>(pairs: &[Pair<'a>], limits: &LabelLimits) -> Result<Vec<(&'a str, &'a str)>, Reject> {
    let named = pairs.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let metric = named.iter().find(|(name, _)| *name == METRIC_NAME).map_or("", |(_, value)| value);
    if metric.is_empty() {
        return Err(refuse(DropReason::Invalid, "", "has no __name__".to_owned()));
    }
    if let Some(name) = repeated(&named) {
        return Err(refuse(DropReason::Invalid, metric, format!("has the label {:?} twice", cut(name, 60))));
    }
    for (name, value) in &named {
        fits(metric, name, value, limits)?;
    }
    let kept: Vec<_> = named.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if kept.len() > limits.count {
        let what = format!("has {} labels; {} are allowed", kept.len(), limits.count);
        return Err(refuse(DropReason::TooManyLabels, metric, what));
    }
    Ok(kept)
}

fn text<'a>((name, value): &Pair<'a>) -> Result<(&'a str, &'a str), Reject> {
    let read = |bytes| std::str::from_utf8(bytes).map_err(|_| ());
    match (read(*name), read(*value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(refuse(DropReason::Invalid, "", "has a label that is not UTF-8".to_owned())),
    }
}

fn fits(metric: &str, name: &str, value: &str, limits: &LabelLimits) -> Result<(), Reject> {
    let shown = cut(name, 60);
    if name.is_empty() {
        return Err(refuse(DropReason::Invalid, metric, "has a label without a name".to_owned()));
    }
    if name.len() > limits.name_bytes {
        let what = format!("has the label name {shown:?}… of {} bytes; {} are allowed", name.len(), limits.name_bytes);
        return Err(refuse(DropReason::TooLong, metric, what));
    }
    if value.len() > limits.value_bytes {
        let what = format!("has {} bytes in the label {shown:?}; {} are allowed", value.len(), limits.value_bytes);
        return Err(refuse(DropReason::TooLong, metric, what));
    }
    Ok(())
}

fn repeated<'a>(pairs: &[(&'a str, &'a str)]) -> Option<&'a str> {
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.windows(2).find(|w| w[0] == w[1]).map(|w| w[0])
}

fn refuse(reason: DropReason, metric: &str, what: String) -> Reject {
    let metric = if metric.is_empty() { "a series" } else { cut(metric, 100) };
    Reject::new(reason, format!("{metric} {what}"))
}

/// Appends a label as a field of `prometheus.TimeSeries`.
pub(super) fn put_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let field = |text: &[u8]| 1 + varint_len(text.len()) + text.len();
    out.push(1 << 3 | 2);
    put_varint(out, field(name) + field(value));
    put_bytes(out, 1, name);
    put_bytes(out, 2, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        pairs.iter().for_each(|(n, v)| put_label(&mut out, n.as_bytes(), v.as_bytes()));
        out
    }

    fn refused(pairs: &[(&str, &str)]) -> (DropReason, String) {
        match build(&wire(pairs), None, &LabelLimits::default()) {
            Err(LabelsError::Refused(reject)) => (reject.reason, reject.error.into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_order_and_any_utf8_text() {
        let labels = build(
            &wire(&[("z", "1"), ("__name__", "température"), ("a.b", "ü"), ("empty", "")]),
            None,
            &LabelLimits::default(),
        );
        assert_eq!(labels, Ok(Labels::metric("température", [("a.b", "ü"), ("z", "1")])));
    }

    #[test]
    fn a_key_decides_the_service() {
        let wire = wire(&[("__name__", "x"), ("service_name", "theirs")]);
        assert_eq!(
            build(&wire, Some("ours"), &LabelLimits::default()),
            Ok(Labels::metric("x", [("service_name", "ours")]))
        );
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(refused(&[("a", "b")]), (DropReason::Invalid, "a series has no __name__".to_owned()));
        let twice = refused(&[("__name__", "x"), ("a", "1"), ("b", "2"), ("a", "1")]);
        assert_eq!(twice, (DropReason::Invalid, "x has the label \"a\" twice".to_owned()));
        assert_eq!(refused(&[("__name__", "x"), ("", "1")]).0, DropReason::Invalid);
        assert_eq!(refused(&[("__name__", "x"), (&"n".repeat(129), "1")]).0, DropReason::TooLong);
        let long = refused(&[("__name__", "x"), ("a", &"v".repeat(1025))]);
        assert_eq!(long, (DropReason::TooLong, "x has 1025 bytes in the label \"a\"; 1024 are allowed".to_owned()));
        let names: Vec<String> = (0..40).map(|i| format!("l{i}")).collect();
        let mut many: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "v")).collect();
        many.push(("__name__", "x"));
        assert_eq!(refused(&many).0, DropReason::TooManyLabels);
    }

    #[test]
    fn not_utf8_is_invalid_and_not_unreadable() {
        let mut out = wire(&[("__name__", "x")]);
        put_label(&mut out, b"a", &[0xff]);
        assert!(
            matches!(build(&out, None, &LabelLimits::default()), Err(LabelsError::Refused(r)) if r.reason == DropReason::Invalid)
        );
    }

    #[test]
    fn limits_are_those_that_are_set() {
        let limits = LabelLimits { count: 2, name_bytes: 8, value_bytes: 2000 };
        let taken = |pairs: &[(&str, &str)]| build(&wire(pairs), None, &limits).is_ok();
        assert!(taken(&[("__name__", "x"), ("a", &"v".repeat(2000))]));
        assert!(!taken(&[("__name__", "x"), ("a", &"v".repeat(2001))]));
        assert!(!taken(&[("__name__", "x"), ("a", "1"), ("b", "2")]));
        assert!(!taken(&[("__name__", "x"), ("ninebytes", "1")]));
    }
}
