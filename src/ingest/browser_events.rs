//! Web vitals as OpenTelemetry's browser instrumentation sends them: log records of the event
//! `browser.web_vital`.
//!
//! The event's name stands in the record's own field or, from older senders, in the attribute `event.name`.
//! The vital stands in attributes (`browser.web_vital.name`, `.value`, `.delta`, `.id`, `.navigation_type`;
//! semantic conventions, status development) or, as the conventions had it before, in a body of the same names
//! without the prefix. The page is whatever the sender adds: `url.template`, `browser.document.url.full`,
//! `url.full`. The record's own time is not asked: for some vitals the instrumentation writes a duration there.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::outcome::Reject;
use super::text::Text;
use super::validate;
use super::vitals::{Single, View};

/// The name of the event.
pub const EVENT: &str = "browser.web_vital";

/// A value of an attribute or a body, as far as vitals need it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A string.
    Text(&'a str),
    /// An integer or a double.
    Number(f64),
    /// A boolean.
    Flag(bool),
    /// Pairs by name.
    Map(Vec<(&'a str, Value<'a>)>),
}

/// Attributes by name.
pub type Attributes<'r, 'a> = &'r [(&'a str, Value<'a>)];

/// Whether a log record is this event.
pub fn is_web_vital(event_name: &str, attributes: Attributes<'_, '_>) -> bool {
    event_name == EVENT || (event_name.is_empty() && text(attributes, "event.name") == Some(EVENT))
}

/// The vital of a log record, for [`Intake::views`](super::Intake::views).
///
/// # Errors
/// [`Reject`] when it names no vital; what else is wrong with it is found on the way.
pub fn web_vital<'a>(
    resource: Attributes<'_, 'a>,
    attributes: Attributes<'_, 'a>,
    body: Option<&Value<'a>>,
) -> Result<View<'a>, Reject> {
    let fields = body.and_then(Value::as_map).unwrap_or_default();
    let own = |name: &str| find(attributes, &format!("{EVENT}.{name}")).or_else(|| find(fields, name));
    let own_text = |name| own(name).and_then(Value::as_text).map(borrowed);
    let own_number = |name| own(name).and_then(Value::as_number);
    let either = |name| text(attributes, name).or_else(|| text(resource, name));
    let name = validate::required("browser.web_vital.name", own("name").and_then(Value::as_text))?;
    let synthetic = either("user_agent.synthetic.type");
    Ok(View::of(Single {
        site: either("service.name").map(borrowed),
        page: ["browser.document.url.full", "url.full"].into_iter().find_map(either).map(borrowed),
        route: either("url.template").map(borrowed),
        release: either("service.version").map(borrowed),
        navigation: own_text("navigation_type"),
        device: device(synthetic, find(attributes, "browser.mobile").or_else(|| find(resource, "browser.mobile"))),
        user_agent: either("user_agent.original").map(borrowed),
        webdriver: synthetic == Some("test"),
        name: Some(Text(Cow::Owned(name.to_ascii_uppercase()))),
        value: own_number("value"),
        delta: own_number("delta"),
        id: own_text("id"),
        is_final: false,
        target: TARGETS.iter().find_map(|n| own_text(n)),
        attribution: body.and_then(Value::as_text).and_then(attribution),
    }))
}

/// Where the element stands that is the reason.
const TARGETS: [&str; 3] = ["attribution.target", "attribution.interaction_target", "attribution.largest_shift_target"];

/// The library's attribution object, which the instrumentation writes into the body when it is told to.
fn attribution(body: &str) -> Option<&RawValue> {
    serde_json::from_str(body).ok()
}

fn device(synthetic: Option<&str>, mobile: Option<&Value<'_>>) -> Option<Text<'static>> {
    let device = match (synthetic, mobile) {
        (Some("bot"), _) => "bot",
        (_, Some(Value::Flag(true))) => "mobile",
        _ => return None,
    };
    Some(Text(Cow::Borrowed(device)))
}

const fn borrowed(text: &str) -> Text<'_> {
    Text(Cow::Borrowed(text))
}

fn find<'r, 'a>(attributes: Attributes<'r, 'a>, name: &str) -> Option<&'r Value<'a>> {
    attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn text<'a>(attributes: Attributes<'_, 'a>, name: &str) -> Option<&'a str> {
    find(attributes, name).and_then(Value::as_text)
}

impl<'a> Value<'a> {
    fn as_text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn as_map(&self) -> Option<Attributes<'_, 'a>> {
        if let Self::Map(pairs) = self { Some(pairs) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DropReason, Timestamp};
    use crate::ingest::gather::{Gather, SeriesCache};
    use crate::ingest::routes::RouteLimit;
    use crate::ingest::{Sender, Settings, vitals};
    use crate::series::VitalReport;

    const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

    fn report(
        resource: &[(&str, Value<'_>)],
        attributes: &[(&str, Value<'_>)],
        body: Option<Value<'_>>,
    ) -> Result<(VitalReport, Option<String>), Reject> {
        let (cache, limit) = (SeriesCache::new(9), RouteLimit::new(9));
        let mut gather = Gather::new(&cache, &limit);
        let mut view = web_vital(resource, attributes, body.as_ref())?;
        let (_, metric) = view.take_metrics().remove(0);
        let page = view.page(&Sender::default(), None, &Settings::default(), NOW)?;
        let report = vitals::report(&page, metric?, &mut gather)?;
        Ok((report, gather.sightings.pop().map(|s| s.target)))
    }

    /// As `@opentelemetry/browser-instrumentation` writes it.
    fn record() -> Vec<(&'static str, Value<'static>)> {
        vec![
            ("browser.web_vital.name", Value::Text("inp")),
            ("browser.web_vital.value", Value::Number(304.0)),
            ("browser.web_vital.delta", Value::Number(-16.0)),
            ("browser.web_vital.rating", Value::Text("needs-improvement")),
            ("browser.web_vital.id", Value::Text("v6-1763680000000-1234567890123")),
            ("browser.web_vital.navigation_type", Value::Text("back-forward")),
            ("browser.document.url.full", Value::Text("https://shop.example/product/123?token=x")),
        ]
    }

    const RESOURCE: [(&str, Value<'_>); 3] = [
        ("service.name", Value::Text("shop-web")),
        ("service.version", Value::Text("2026.11")),
        ("browser.mobile", Value::Flag(true)),
    ];

    #[test]
    fn attributes_become_a_report() {
        let (got, target) = report(&RESOURCE, &record(), None).unwrap();
        assert_eq!((got.key.site.as_str(), got.key.metric.as_str()), ("shop-web", "INP"));
        assert_eq!(got.key.id, "v6-1763680000000-1234567890123");
        assert_eq!((got.value, got.delta, got.start, target), (0.304, Some(-0.016), NOW, None));
        let labels = [
            ("service_name", "shop-web"),
            ("route", "/product/*"),
            ("device", "phone"),
            ("navigation_type", "back-forward"),
            ("release", "2026.11"),
        ];
        assert_eq!(got.labels, crate::base::Labels::metric("web_vitals_inp_seconds", labels));
    }

    #[test]
    fn the_element_stands_in_an_attribute_or_in_a_body_of_text() {
        let mut attributes = record();
        attributes.push(("browser.web_vital.attribution.interaction_target", Value::Text("#buy")));
        assert_eq!(report(&RESOURCE, &attributes, None).unwrap().1.as_deref(), Some("#buy"));
        let body = Value::Text(r##"{"interactionTarget":"#pay","inputDelay":3.5,"longAnimationFrameEntries":[{}]}"##);
        assert_eq!(report(&RESOURCE, &record(), Some(body)).unwrap().1.as_deref(), Some("#pay"));
        assert_eq!(report(&RESOURCE, &record(), Some(Value::Text("no JSON"))).unwrap().1, None);
    }

    #[test]
    fn a_body_of_fields_is_the_older_form() {
        let body = vec![
            ("name", Value::Text("cls")),
            ("value", Value::Number(0.25)),
            ("delta", Value::Number(0.25)),
            ("id", Value::Text("v3-1677874579383-6381583661209")),
        ];
        let attributes = [("event.name", Value::Text(EVENT)), ("url.template", Value::Text("/p/:id"))];
        assert!(is_web_vital("", &attributes) && is_web_vital(EVENT, &[]) && !is_web_vital("other", &attributes));
        let (got, _) = report(&RESOURCE, &attributes, Some(Value::Map(body))).unwrap();
        assert_eq!((got.key.metric.as_str(), got.value, got.labels.value("route")), ("CLS", 0.25, "/p/:id"));
    }

    #[test]
    fn what_is_wrong_is_refused_for_its_reason() {
        let reason = |name: &'static str, value: Option<Value<'static>>| {
            let mut attributes = record();
            attributes.retain(|(n, _)| *n != name);
            attributes.extend(value.map(|v| (name, v)));
            report(&RESOURCE, &attributes, None).unwrap_err().reason
        };
        assert_eq!(reason("browser.web_vital.name", None), DropReason::Invalid);
        assert_eq!(reason("browser.web_vital.name", Some(Value::Text("cpu"))), DropReason::UnknownMetric);
        assert_eq!(reason("browser.web_vital.value", None), DropReason::Invalid);
        assert_eq!(reason("browser.web_vital.value", Some(Value::Text("304"))), DropReason::Invalid);
        assert_eq!(reason("browser.web_vital.value", Some(Value::Number(-1.0))), DropReason::Implausible);
        assert_eq!(reason("browser.web_vital.id", None), DropReason::Invalid);
        let bot = Some(Value::Text("bot"));
        assert_eq!(reason("user_agent.synthetic.type", bot), DropReason::Bot);
        assert_eq!(reason("user_agent.synthetic.type", Some(Value::Text("test"))), DropReason::Bot);
        assert_eq!(reason("user_agent.original", Some(Value::Text("Googlebot/2.1"))), DropReason::Bot);
    }
}
