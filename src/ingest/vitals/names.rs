//! The names that are known: vitals with their units and bounds, kinds of navigation, kinds of connection.

use crate::base::DropReason;
use crate::ingest::outcome::Reject;

/// What is known of a vital.
pub(super) struct Vital {
    pub(super) metric: &'static str,
    /// The most that is plausible, in the sender's unit.
    pub(super) most: f64,
    /// Sender's units in a base unit.
    pub(super) per_unit: f64,
    /// Up to here a view is good, base unit (web-vitals library, `*Thresholds`).
    pub(super) good: f64,
    /// Up to here it is not poor, base unit.
    pub(super) fair: f64,
}

pub(super) fn vital(name: &str) -> Result<Vital, Reject> {
    let millis = |metric, most, good, fair| Ok(Vital { metric, most, per_unit: 1000.0, good, fair });
    match name {
        "LCP" => millis("web_vitals_lcp_seconds", 120_000.0, 2.5, 4.0),
        "FCP" => millis("web_vitals_fcp_seconds", 120_000.0, 1.8, 3.0),
        "TTFB" => millis("web_vitals_ttfb_seconds", 120_000.0, 0.8, 1.8),
        "INP" => millis("web_vitals_inp_seconds", 60_000.0, 0.2, 0.5),
        "FID" => millis("web_vitals_fid_seconds", 60_000.0, 0.1, 0.3),
        "CLS" => Ok(Vital { metric: "web_vitals_cls", most: 100.0, per_unit: 1.0, good: 0.1, fair: 0.25 }),
        other => {
            let shown = crate::base::bounded::cut(other, 40);
            let error = format!("metric {shown:?} is not known; expected LCP, INP, CLS, FCP, TTFB or FID");
            Err(Reject::new(DropReason::UnknownMetric, error))
        }
    }
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
