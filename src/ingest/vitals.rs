//! Web-vitals beacons: our own form (version 1), and what the web-vitals library (versions 3 to 6)
//! hands to its callback, one object or an array.
//!
//! Our form has one object for a page view with its metrics inside; the library's has one object for a
//! metric with an id of its own. Both become a [`View`] with metrics, so that one path follows; so do the
//! other forms that carry one vital a record, through [`View::of`]. The client's clock is never asked: a
//! view begins at arrival minus its age.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

mod names;
mod single;
mod target;

use crate::base::{DropReason, Timestamp};
use crate::series::{VitalKey, VitalReport};

use super::bots::{self, Robot};
use super::device::{self, Hints};
use super::elements::{self, Element};
use super::gather::{Change, Event, Gather};
use super::intake::Sender;
use super::outcome::Reject;
use super::routes;
use super::settings::Settings;
use super::text::{Text, or_empty};
use super::validate;

pub use names::{VITALS, Vital};
use names::{connection, navigation, vital};
pub use single::Single;

/// The oldest that a view can be; a tab may live for days, but its numbers were made at its start.
const OLDEST_VIEW_MS: f64 = 86_400_000.0;

/// A beacon of our form or one object of the library's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct View<'a> {
    v: Option<u32>,
    #[serde(borrow)]
    site: Option<Text<'a>>,
    #[serde(borrow)]
    view: Option<Text<'a>>,
    n: Option<u64>,
    age: Option<f64>,
    rate: Option<f64>,
    #[serde(borrow)]
    page: Option<Text<'a>>,
    #[serde(borrow, rename = "navigationURL")]
    navigation_url: Option<Text<'a>>,
    #[serde(borrow)]
    route: Option<Text<'a>>,
    #[serde(borrow)]
    release: Option<Text<'a>>,
    #[serde(borrow)]
    navigation: Option<Text<'a>>,
    #[serde(borrow, rename = "navigationType")]
    navigation_type: Option<Text<'a>>,
    #[serde(borrow)]
    device: Option<Text<'a>>,
    #[serde(borrow)]
    connection: Option<Text<'a>>,
    webdriver: Option<bool>,
    #[serde(rename = "final")]
    is_final: Option<bool>,
    #[serde(borrow)]
    metrics: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    value: Option<f64>,
    prev: Option<f64>,
    delta: Option<f64>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    attribution: Option<&'a RawValue>,
    #[serde(skip)]
    target: Option<Text<'a>>,
    #[serde(skip)]
    user_agent: Option<Text<'a>>,
}

/// One metric of a view.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metric<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    value: Option<f64>,
    /// The last value that the sender sent, in our own form.
    prev: Option<f64>,
    /// The change since the last value, in the library's form.
    delta: Option<f64>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    attribution: Option<&'a RawValue>,
    #[serde(skip)]
    target: Option<Text<'a>>,
}

/// The views of a body with their positions, from 1.
pub fn decode(body: &[u8]) -> Vec<Element<View<'_>>> {
    elements::decode(body)
}

/// What holds for all metrics of a view, checked.
#[derive(Debug)]
pub struct Page<'a> {
    site: &'a str,
    service: &'a str,
    view: &'a str,
    sequence: Option<u64>,
    /// Elements are not asked for where the visitor objects.
    wants_targets: bool,
    start: Timestamp,
    received: Timestamp,
    weight: u32,
    is_final: bool,
    route: Cow<'a, str>,
    release: &'a str,
    navigation: &'static str,
    device: &'static str,
    connection: &'static str,
}

impl<'a> View<'a> {
    /// The site that the beacon names; empty when it names none.
    pub fn site(&self) -> &str {
        text(&self.site)
    }

    /// Takes the metrics out, with their positions from 1.
    pub fn take_metrics(&mut self) -> Vec<Element<Metric<'a>>> {
        let Some(metrics) = self.metrics.as_ref() else {
            let own = Metric {
                name: self.name.take(),
                value: self.value,
                prev: self.prev,
                delta: self.delta,
                id: self.id.take(),
                attribution: self.attribution,
                target: self.target.take(),
            };
            return vec![(1, Ok(own))];
        };
        let parse = |raw: &&'a RawValue| serde_json::from_str(raw.get()).map_err(|e| Reject::json(&e));
        metrics.iter().enumerate().map(|(i, raw)| (i + 1, parse(raw))).collect()
    }

    /// Checks what holds for all metrics. `service` is whom the key stands for, else the site.
    pub fn page<'p>(
        &'p self,
        sender: &Sender<'p>,
        service: Option<&'p str>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Page<'p>, Reject> {
        self.check_form()?;
        self.check_lengths()?;
        let site = if self.site().is_empty() { sender.site } else { self.site() };
        validate::text("site", site, validate::SERVICE_BYTES)?;
        let user_agent = if self.user_agent.is_some() { text(&self.user_agent) } else { sender.user_agent };
        self.check_visitor(user_agent, settings)?;
        let age = self.age.unwrap_or(0.0).clamp(0.0, OLDEST_VIEW_MS);
        let hints = Hints { own: text(&self.device), mobile: sender.mobile, user_agent };
        Ok(Page {
            site,
            service: service.unwrap_or(site),
            view: if self.metrics.is_some() { text(&self.view) } else { "" },
            sequence: self.n,
            wants_targets: !sender.private,
            start: now - Duration::from_secs_f64(age / 1000.0),
            received: now,
            weight: validate::weight(self.rate, settings.max_weight)?,
            is_final: self.is_final.unwrap_or(false),
            route: self.route_or_path(settings)?,
            release: text(&self.release),
            navigation: navigation(text(&self.navigation), text(&self.navigation_type)),
            device: device::classify(hints),
            connection: connection(text(&self.connection)),
        })
    }

    fn check_form(&self) -> Result<(), Reject> {
        let error = match (self.v, self.metrics.is_some()) {
            (Some(1), true) | (None, false) => return Ok(()),
            (Some(1), false) => "metrics is missing",
            (None, true) => "v is missing; this server knows version 1",
            (Some(_), _) => "v is not known; this server knows version 1",
        };
        Err(Reject::new(DropReason::Invalid, error))
    }

    fn check_lengths(&self) -> Result<(), Reject> {
        validate::text("view", text(&self.view), validate::ID_BYTES)?;
        validate::text("release", text(&self.release), validate::VALUE_BYTES)?;
        validate::text("route", text(&self.route), validate::ROUTE_BYTES)?;
        validate::text("page", text(&self.page), validate::URL_BYTES)
    }

    /// Refuses robots.
    fn check_visitor(&self, user_agent: &str, settings: &Settings) -> Result<(), Reject> {
        let named = text(&self.device) == "bot";
        let robot = bots::classify(user_agent, self.webdriver.unwrap_or(false));
        match robot.or(named.then_some(Robot::Crawler)) {
            Some(Robot::Automated) if settings.allow_automated_browsers => Ok(()),
            Some(Robot::Automated) => Err(Reject::new(DropReason::Bot, "an automated browser")),
            Some(Robot::Crawler) => Err(Reject::new(DropReason::Bot, "a crawler")),
            None => Ok(()),
        }
    }

    /// The route, else what the path of the page comes to; of the library's own URL (since version 6)
    /// when the sender adds none.
    fn route_or_path(&self, settings: &Settings) -> Result<Cow<'_, str>, Reject> {
        let given = routes::from_template(text(&self.route));
        if !given.is_empty() {
            return Ok(Cow::Borrowed(given));
        }
        let urls = [text(&self.page), text(&self.navigation_url)];
        let Some(url) = urls.into_iter().find(|u| !u.is_empty()) else { return Ok(Cow::Borrowed("")) };
        validate::text("navigationURL", url, validate::URL_BYTES)?;
        let route = routes::from_path(url, &settings.routes);
        Ok(if route.len() > validate::ROUTE_BYTES { Cow::Borrowed(routes::OTHER) } else { Cow::Owned(route) })
    }
}

impl Page<'_> {
    /// The service that is written for.
    pub fn service(&self) -> &str {
        self.service
    }

    /// The route.
    pub fn route(&self) -> &str {
        &self.route
    }
}

fn text<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", |t| t.0.as_ref())
}

/// One metric as a report that is ready to be recorded.
pub fn report(page: &Page<'_>, mut metric: Metric<'_>, gather: &mut Gather<'_>) -> Result<VitalReport, Reject> {
    let target = if page.wants_targets { metric.take_target() } else { None };
    let name = validate::required("name", metric.name.as_ref())?.0.as_ref();
    let vital = vital(name)?;
    let value = validate::required("value", metric.value)?;
    vital
        .plausible(value)
        .map_err(|most| Reject::new(DropReason::Implausible, format!("{name} is {value}; plausible is 0 to {most}")))?;
    if name == "TTFB" && matches!(page.navigation, "back-forward-cache" | "soft-navigation") {
        return Err(Reject::new(DropReason::Dummy, "TTFB of a page that was not fetched"));
    }
    let change = metric.prev.map(|prev| value - prev).or(metric.delta);
    let id = or_empty(metric.id);
    validate::text("id", &id, validate::ID_BYTES)?;
    let id = if page.view.is_empty() { id.into_owned() } else { page.view.to_owned() };
    if id.is_empty() {
        return Err(Reject::new(DropReason::Invalid, "neither view nor id says which page view this is"));
    }
    let report = VitalReport {
        key: VitalKey { site: page.site.to_owned(), id, metric: name.to_owned() },
        sequence: page.sequence,
        value: vital.ours(value),
        delta: change.filter(|d| d.is_finite()).map(|d| vital.ours(d)),
        is_final: page.is_final,
        start: page.start,
        received: page.received,
        weight: page.weight,
        labels: gather.labels(&series(page, vital.metric)),
    };
    if let Some(target) = target {
        gather.sightings.push(target::sighting(&report, vital, &target));
    }
    Ok(report)
}

/// The series that the vital will enter when it settles.
fn series<'p>(page: &'p Page<'_>, metric: &'static str) -> Event<'p> {
    let labels = [
        ("route", page.route.as_ref()),
        ("device", page.device),
        ("connection", page.connection),
        ("navigation_type", page.navigation),
        ("release", page.release),
    ];
    Event {
        metric: Cow::Borrowed(metric),
        service: Cow::Borrowed(page.service),
        labels: labels.into_iter().map(|(n, v)| (Cow::Borrowed(n), Cow::Borrowed(v))).collect(),
        change: Change::Observe(0.0),
        at: page.start,
    }
}

#[cfg(test)]
mod tests;
