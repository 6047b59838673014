//! `escalations:` of an objectives file.

use std::time::Duration;

use super::objectives::{Mention, read_name};
use super::reader::At;
use super::yaml::Value;
use crate::slo::{Escalation, EscalationLevel};

const LONGEST: Duration = Duration::from_secs(7 * 86_400);
const SECOND: Duration = Duration::from_secs(1);

/// Reads an escalation and the channels that it names.
pub(super) fn read_escalation(at: &At<'_>) -> Option<(Escalation, Vec<Mention>)> {
    let mut fields = at.fields()?;
    let name = fields.require("name").and_then(|at| read_name(&at));
    let mut mentions = Vec::new();
    let items = fields.require("levels").and_then(|at| {
        let items = at.list()?;
        if items.is_empty() { at.fail("an escalation has at least one level") } else { Some(items) }
    });
    let mut levels: Vec<EscalationLevel> = Vec::new();
    for at in items.iter().flatten() {
        let Some(level) = read_level(at, &mut mentions) else { continue };
        if levels.last().is_some_and(|before| before.after >= level.after) {
            at.fail::<()>("levels follow one another: `after` has to be later than the level's before");
        }
        levels.push(level);
    }
    let repeat = fields.get("repeat").and_then(|at| at.duration_within(SECOND, LONGEST));
    let is_default = fields.get("default").and_then(|at| at.boolean()).unwrap_or(false);
    fields.unsupported(&["schedule", "schedules"]);
    fields.finish();
    Some((Escalation { name: name?, levels, repeat, is_default }, mentions))
}

fn read_level(at: &At<'_>, mentions: &mut Vec<Mention>) -> Option<EscalationLevel> {
    let mut fields = at.fields()?;
    let after = fields.require("after").and_then(|at| at.duration_within(Duration::ZERO, LONGEST));
    let notify = fields.require("notify").and_then(|at| {
        let names = at.texts()?;
        if names.is_empty() {
            return at.fail("a level notifies at least one channel");
        }
        let places = if matches!(at.node.value, Value::List(_)) { at.list()? } else { vec![at.clone()] };
        mentions.extend(places.iter().zip(&names).map(|(at, name)| Mention::of(at, name)));
        Some(names)
    });
    fields.finish();
    Some(EscalationLevel { after: after?, notify: notify? })
}
