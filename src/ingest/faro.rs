//! Grafana Faro's payload, as its web SDK (versions 1 and 2) sends it to a receiver.
//!
//! One body has a `meta` that holds for everything in it, and lists of measurements, exceptions, logs, events
//! and traces. Measurements of the type `web-vitals` become vitals: the value stands under the vital's name in
//! lower case, its change under `delta`, the library's id and the rest in `context`. (Source: grafana/faro-web-sdk,
//! `TransportBody` in `packages/core` and the web-vitals instrumentation in `packages/web-sdk`.) Exceptions are
//! counted by type. All else is told apart and counted as not taken.
//!
//! The SDK before 1.4, or one that was told to send no attribution, sends neither id nor delta. Then each
//! measurement is a view of its own, known by session and time so that a repetition counts once: right for what
//! is measured once a page (LCP, FCP, TTFB), while INP and CLS count once each time the page is hidden with a new
//! value.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::base::{DropReason, Timestamp};

use super::elements::Element;
use super::gather::{Change, Event};
use super::outcome::Reject;
use super::text::{Text, or_empty};
use super::validate;
use super::vitals::{Page, Single, View};

/// The type of the measurements that are web vitals.
const WEB_VITALS: &str = "web-vitals";

/// A payload, taken apart.
#[derive(Debug)]
pub struct Payload<'a> {
    /// The page of everything in it.
    pub page: View<'a>,
    /// Vitals, with their positions from 1 among the measurements.
    pub views: Vec<Element<View<'a>>>,
    /// The types of exceptions, with their positions from 1.
    pub exceptions: Vec<Element<Cow<'a, str>>>,
    /// How much else is in it.
    pub unsupported: u64,
}

impl Payload<'_> {
    /// The name of the application, which is its site.
    pub fn site(&self) -> &str {
        self.page.site()
    }

    /// How many events it holds.
    pub fn events(&self) -> u64 {
        self.unsupported + (self.views.len() + self.exceptions.len()) as u64
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    meta: Meta<'a>,
    #[serde(borrow)]
    measurements: Vec<&'a RawValue>,
    #[serde(borrow)]
    exceptions: Vec<&'a RawValue>,
    logs: Vec<IgnoredAny>,
    events: Vec<IgnoredAny>,
    traces: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    app: Option<App<'a>>,
    #[serde(borrow)]
    session: Option<Session<'a>>,
    #[serde(borrow)]
    page: Option<PageMeta<'a>>,
    browser: Option<Browser>,
    k6: Option<K6>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct App<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    release: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Session<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageMeta<'a> {
    /// Whatever the application made of its URL; a route when it looks like one.
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Browser {
    mobile: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct K6 {
    is_k6_browser: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Measurement<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    values: Values,
    #[serde(borrow)]
    context: Option<Context<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Values {
    lcp: Option<f64>,
    inp: Option<f64>,
    cls: Option<f64>,
    fcp: Option<f64>,
    ttfb: Option<f64>,
    fid: Option<f64>,
    delta: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    navigation_type: Option<Text<'a>>,
    #[serde(borrow)]
    element: Option<Text<'a>>,
    #[serde(borrow)]
    interaction_target: Option<Text<'a>>,
    #[serde(borrow)]
    largest_shift_target: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exception<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
}

/// Takes a body apart; an error when it is no payload at all.
pub fn decode(body: &[u8]) -> Result<Payload<'_>, Reject> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Reject::new(DropReason::Malformed, "the body is no object with meta and measurements"));
    }
    let body: Body<'_> = serde_json::from_slice(body).map_err(|e| Reject::json(&e))?;
    let mut payload = Payload {
        page: View::of(body.meta.single()),
        views: Vec::new(),
        exceptions: body.exceptions.iter().enumerate().map(|(i, raw)| (i + 1, exception_type(raw))).collect(),
        unsupported: (body.logs.len() + body.events.len() + usize::from(body.traces.is_some())) as u64,
    };
    for (i, raw) in body.measurements.iter().enumerate() {
        match serde_json::from_str::<Measurement<'_>>(raw.get()) {
            Ok(m) if m.kind.as_ref().is_some_and(|k| k.0 == WEB_VITALS) => {
                payload.views.extend(views(&m, &body.meta).map(|view| (i + 1, view)));
            }
            Ok(_) => payload.unsupported += 1,
            Err(error) => payload.views.push((i + 1, Err(Reject::json(&error)))),
        }
    }
    Ok(payload)
}

impl<'a> Meta<'a> {
    /// What holds for everything in the body.
    fn single(&self) -> Single<'a> {
        let app = self.app.as_ref();
        let page = self.page.as_ref();
        let mobile = self.browser.as_ref().is_some_and(|b| b.mobile == Some(true));
        Single {
            site: app.and_then(|a| a.name.clone()),
            release: app.and_then(|a| a.version.clone().or_else(|| a.release.clone())),
            page: page.and_then(|p| p.url.clone()),
            route: page.and_then(|p| p.id.clone()).filter(|id| id.0.starts_with('/')),
            device: mobile.then_some(Text(Cow::Borrowed("mobile"))),
            webdriver: self.k6.as_ref().is_some_and(|k6| k6.is_k6_browser == Some(true)),
            ..Single::default()
        }
    }
}

/// The vitals of a measurement: one, as the SDK sends it.
fn views<'a>(measurement: &Measurement<'a>, meta: &Meta<'a>) -> impl Iterator<Item = Result<View<'a>, Reject>> {
    let values = &measurement.values;
    let all = [
        ("LCP", values.lcp),
        ("INP", values.inp),
        ("CLS", values.cls),
        ("FCP", values.fcp),
        ("TTFB", values.ttfb),
        ("FID", values.fid),
    ];
    let unknown = all.iter().all(|(_, value)| value.is_none());
    let none = || Err(Reject::new(DropReason::UnknownMetric, "none of lcp, inp, cls, fcp, ttfb, fid is in values"));
    let views = all.into_iter().filter_map(|(name, value)| Some(Ok(View::of(single(name, value?, measurement, meta)))));
    views.chain(unknown.then(none)).collect::<Vec<_>>().into_iter()
}

fn single<'a>(name: &'static str, value: f64, measurement: &Measurement<'a>, meta: &Meta<'a>) -> Single<'a> {
    let empty = Context::default();
    let context = measurement.context.as_ref().unwrap_or(&empty);
    let target = [&context.element, &context.interaction_target, &context.largest_shift_target];
    Single {
        name: Some(Text(Cow::Borrowed(name))),
        value: Some(value),
        delta: measurement.values.delta,
        navigation: context.navigation_type.clone(),
        target: target.into_iter().find_map(Clone::clone),
        // Without an id nothing can revise it.
        is_final: context.id.is_none(),
        id: context.id.clone().or_else(|| moment(measurement, meta)),
        ..meta.single()
    }
}

/// Session and time, which a measurement keeps when it is sent again.
fn moment<'a>(measurement: &Measurement<'a>, meta: &Meta<'a>) -> Option<Text<'a>> {
    let session = meta.session.as_ref()?.id.as_ref()?;
    let timestamp = measurement.timestamp.as_ref()?;
    Some(Text(Cow::Owned(format!("{}@{}", session.0, timestamp.0))))
}

fn exception_type<'a>(raw: &'a RawValue) -> Result<Cow<'a, str>, Reject> {
    let exception: Exception<'a> = serde_json::from_str(raw.get()).map_err(|e| Reject::json(&e))?;
    let kind = or_empty(exception.kind);
    validate::text("type", &kind, validate::VALUE_BYTES)?;
    Ok(kind)
}

/// One exception of a type.
pub fn exception<'p>(page: &'p Page<'_>, kind: String, now: Timestamp) -> Event<'p> {
    Event {
        metric: Cow::Borrowed("faro_exceptions_total"),
        service: Cow::Borrowed(page.service()),
        labels: vec![(Cow::Borrowed("route"), Cow::Borrowed(page.route())), (Cow::Borrowed("type"), Cow::Owned(kind))],
        change: Change::Add(1.0),
        at: now,
    }
}

#[cfg(test)]
mod tests;
