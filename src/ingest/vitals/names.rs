//! The names that are known: vitals with their units and bounds, kinds of navigation, kinds of connection.

use crate::base::DropReason;
use crate::ingest::outcome::Reject;

/// One of the web vitals.
#[derive(Debug, PartialEq)]
pub struct Vital {
    /// As its users say it.
    pub name: &'static str,
    /// The histogram that its values enter.
    pub metric: &'static str,
    /// The unit there, as in the API; empty for none.
    pub unit: &'static str,
    /// Up to here a view is good, in that unit.
    pub good: f64,
    /// Up to here it needs improvement, beyond it is poor; in that unit.
    pub fair: f64,
    /// The most that is plausible, in the sender's unit.
    most: f64,
    /// Sender's units in one of ours.
    per_unit: f64,
}

impl Vital {
    /// A value as its sender says it, in our unit.
    pub(super) fn ours(&self, value: f64) -> f64 {
        value / self.per_unit
    }

    /// Whether a sender's value is plausible; if not, up to where it would be.
    pub(super) fn plausible(&self, value: f64) -> Result<(), f64> {
        if (0.0..=self.most).contains(&value) { Ok(()) } else { Err(self.most) }
    }

    const fn time(name: &'static str, metric: &'static str, most: f64, good: f64, fair: f64) -> Self {
        Self { name, metric, unit: "seconds", good, fair, most, per_unit: 1000.0 }
    }
}

/// All of them, with the bounds of the web-vitals library 6.2.3 (`*Thresholds`; times in seconds here). FID is sent by
/// old libraries only.
pub static VITALS: [Vital; 6] = [
    Vital::time("LCP", "web_vitals_lcp_seconds", 120_000.0, 2.5, 4.0),
    Vital::time("INP", "web_vitals_inp_seconds", 60_000.0, 0.2, 0.5),
    Vital { name: "CLS", metric: "web_vitals_cls", unit: "", good: 0.1, fair: 0.25, most: 100.0, per_unit: 1.0 },
    Vital::time("FCP", "web_vitals_fcp_seconds", 120_000.0, 1.8, 3.0),
    Vital::time("TTFB", "web_vitals_ttfb_seconds", 120_000.0, 0.8, 1.8),
    Vital::time("FID", "web_vitals_fid_seconds", 60_000.0, 0.1, 0.3),
];

pub(super) fn vital(name: &str) -> Result<&'static Vital, Reject> {
    VITALS.iter().find(|v| v.name == name).ok_or_else(|| {
        let shown = crate::base::bounded::cut(name, 40);
        let error = format!("metric {shown:?} is not known; expected LCP, INP, CLS, FCP, TTFB or FID");
        Reject::new(DropReason::UnknownMetric, error)
    })
}

/// The kind of navigation: one of the library's, `other` for what nobody knows, empty when not said.
/// Old versions write underscores.
pub(super) fn navigation(ours: &str, librarys: &str) -> &'static str {
    let said = if ours.is_empty() { librarys } else { ours };
    match said {
        "" => "",
        "navigate" => "navigate",
        "reload" => "reload",
        "back-forward" | "back_forward" => "back-forward",
        "back-forward-cache" | "back_forward_cache" => "back-forward-cache",
        "prerender" => "prerender",
        "restore" => "restore",
        "soft-navigation" | "soft_navigation" => "soft-navigation",
        _ => "other",
    }
}

/// The effective type of the connection, as the Network Information API names it.
pub(super) fn connection(said: &str) -> &'static str {
    match said {
        "" => "",
        "slow-2g" => "slow-2g",
        "2g" => "2g",
        "3g" => "3g",
        "4g" => "4g",
        "5g" => "5g",
        "wifi" => "wifi",
        "ethernet" => "ethernet",
        "cellular" => "cellular",
        _ => "other",
    }
}
