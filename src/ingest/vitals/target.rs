//! The element that a report names as its reason.

use std::borrow::Cow;

use serde::Deserialize;

use super::names::Vital;
use super::{Metric, Text, VitalReport};
use crate::ingest::attribution::{Rating, Sighting, Spot};

/// What is read of an attribution object: ours, and the library's of versions 3 to 6.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Attribution<'a> {
    #[serde(borrow)]
    target: Option<Text<'a>>,
    #[serde(borrow)]
    element: Option<Text<'a>>,
    #[serde(borrow)]
    interaction_target: Option<Text<'a>>,
    #[serde(borrow)]
    event_target: Option<Text<'a>>,
    #[serde(borrow)]
    largest_shift_target: Option<Text<'a>>,
}

impl<'a> Metric<'a> {
    /// The selector of the element that is the reason. What cannot be read is no reason to refuse the value.
    pub(super) fn take_target(&mut self) -> Option<Cow<'a, str>> {
        let said = self.target.take().or_else(|| {
            let all: Attribution<'a> = serde_json::from_str(self.attribution?.get()).ok()?;
            let interaction = all.interaction_target.or(all.event_target);
            all.target.or(interaction).or(all.largest_shift_target).or(all.element)
        });
        said.map(|t| t.0).filter(|t| !t.is_empty())
    }
}

/// What a report says of an element.
pub(super) fn sighting(report: &VitalReport, vital: &Vital, target: &str) -> Sighting {
    let label = |name| report.labels.value(name).to_owned();
    let spot = Spot {
        service: label("service_name"),
        route: label("route"),
        vital: report.key.metric.clone(),
        soft: report.labels.value("navigation_type") == "soft-navigation",
    };
    let rating = match report.value {
        v if v <= vital.good => Rating::Good,
        v if v <= vital.fair => Rating::Middling,
        _ => Rating::Poor,
    };
    Sighting {
        key: report.key.clone(),
        sequence: report.sequence,
        spot,
        target: target.to_owned(),
        value: report.value,
        weight: report.weight,
        rating,
    }
}
