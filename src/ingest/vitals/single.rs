//! One vital a record: the form of senders that are neither our script nor the library itself.

use serde_json::value::RawValue;

use super::{Text, View};

/// One vital of one page view, as other senders say it. Absent is what they do not say.
#[derive(Debug, Default)]
pub struct Single<'a> {
    /// The site, which stands for the service.
    pub site: Option<Text<'a>>,
    /// The whole URL of the page.
    pub page: Option<Text<'a>>,
    /// The route's template.
    pub route: Option<Text<'a>>,
    /// The deployed version.
    pub release: Option<Text<'a>>,
    /// As the library names the kinds of navigation.
    pub navigation: Option<Text<'a>>,
    /// As in a beacon of ours.
    pub device: Option<Text<'a>>,
    /// The visitor's, when somebody else delivers the report.
    pub user_agent: Option<Text<'a>>,
    /// A program drives the browser.
    pub webdriver: bool,
    /// `LCP`, `INP`, …
    pub name: Option<Text<'a>>,
    /// Milliseconds; CLS its own unit.
    pub value: Option<f64>,
    /// The change since the report before.
    pub delta: Option<f64>,
    /// The metric's id.
    pub id: Option<Text<'a>>,
    /// No further report will come.
    pub is_final: bool,
    /// The selector of the element that is the reason.
    pub target: Option<Text<'a>>,
    /// The library's attribution object, where `target` is absent.
    pub attribution: Option<&'a RawValue>,
}

impl<'a> View<'a> {
    /// A view with one vital.
    pub fn of(one: Single<'a>) -> Self {
        Self {
            site: one.site,
            page: one.page,
            route: one.route,
            release: one.release,
            navigation_type: one.navigation,
            device: one.device,
            user_agent: one.user_agent,
            webdriver: Some(one.webdriver),
            name: one.name,
            value: one.value,
            delta: one.delta,
            id: one.id,
            is_final: Some(one.is_final),
            target: one.target,
            attribution: one.attribution,
            ..Self::default()
        }
    }
}
