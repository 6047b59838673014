//! "Why was I, or was I not, told?" answered from what is stored. Pure.

use crate::slo::Escalation;

use super::ledger::StoredIncident;
use super::model::{Delivery, IncidentState};

/// One sentence for each message, then one for each level that was never told.
pub fn why(stored: &StoredIncident, escalation: Option<&Escalation>) -> Vec<String> {
    let mut sentences: Vec<String> = stored.deliveries.iter().map(delivered).collect();
    match escalation {
        None => sentences.push("Nobody was told: no escalation is configured.".to_owned()),
        Some(escalation) => sentences.extend(not_reached(stored, escalation)),
    }
    sentences
}

fn delivered(delivery: &Delivery) -> String {
    let Delivery { channel, kind, level, attempts, .. } = delivery;
    let reason = delivery.error.as_deref().unwrap_or("no reason is known");
    let what = if kind == "trigger" { format!("the page of level {level}") } else { format!("\"{kind}\"") };
    match delivery.status.as_str() {
        "sent" => format!("{channel} was sent {what} at attempt {attempts}."),
        "cancelled" => format!("{channel} was not sent {what}: {reason}."),
        "failed" => format!("{channel} was not reached with {what} after {attempts} attempts: {reason}."),
        _ if *attempts > 0 => {
            format!("{channel} is still to be reached with {what}; attempt {attempts} failed: {reason}.")
        }
        _ => format!("{channel} is about to be sent {what}."),
    }
}

fn not_reached(stored: &StoredIncident, escalation: &Escalation) -> Vec<String> {
    let incident = &stored.record.incident;
    let told = stored.deliveries.iter().filter(|d| d.kind == "trigger").map(|d| d.level).max().unwrap_or(0);
    let reason = match (incident.state, &incident.acknowledged_by) {
        (IncidentState::Firing, _) => "it is not due yet".to_owned(),
        (IncidentState::Acknowledged, Some(by)) => format!("{by} acknowledged before it was due"),
        (IncidentState::Resolved, Some(by)) => format!("{by} acknowledged, and it was over, before it was due"),
        (_, None) => "it was over before it was due".to_owned(),
    };
    let levels = escalation.levels.iter().zip(1u32..).filter(|(_, number)| *number > told);
    levels
        .map(|(level, number)| format!("Level {number} ({}) was not told: {reason}.", level.notify.join(", ")))
        .collect()
}
