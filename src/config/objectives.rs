//! The objectives file: `objectives:` and `escalations:`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::escalations::read_escalation;
use super::indicator::read_indicator;
use super::levels::{Amounts, read_level};
use super::reader::{At, Fields, Problems};
use super::window::{read_budget, read_no_data};
use super::yaml::{Node, Place, Value};
use crate::base::Severity;
use crate::slo::{Escalation, Objective, ObjectiveError, Unit, compile};

/// What all objectives files say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objectives {
    /// In the order of the files.
    pub objectives: Vec<Objective>,
    /// In the order of the files.
    pub escalations: Vec<Escalation>,
}

/// Gathers what several files say, and what has to agree between them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) objectives: Objectives,
    names: BTreeMap<(&'static str, String), Place>,
    default_escalation: Option<Place>,
    /// Escalations that objectives name.
    pub(super) wanted_escalations: Vec<Mention>,
    /// Channels that escalations name.
    pub(super) wanted_channels: Vec<Mention>,
}

/// A name used at a place.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) path: String,
}

impl Mention {
    pub(super) fn of(at: &At<'_>, name: &str) -> Self {
        Self { name: name.to_owned(), place: at.node.place.clone(), path: at.path.clone() }
    }
}

/// Longer names make labels and alert names unwieldy; also a DNS label's limit.
const NAME_LIMIT: usize = 63;

/// Labels that every alert gets from elsewhere.
const RESERVED_LABELS: [&str; 6] = ["objective", "severity", "team", "escalation", "alertname", "alertstate"];

/// Forms of the file that need more than this version has; ignoring them would change what alerts mean.
const LATER: [&str; 5] = ["relative_to", "slice", "exclude", "phases", "advice"];

impl Gathered {
    /// Reads one file.
    pub(super) fn read(&mut self, node: &Node, problems: &Problems) {
        if node.value == Value::Null {
            return;
        }
        let Some(mut fields) = At::top(node, problems).fields() else { return };
        for at in fields.get("objectives").and_then(|at| at.list()).unwrap_or_default() {
            let before = problems.count();
            if let Some(objective) = self.read_objective(&at)
                && problems.count() == before
            {
                self.compile(&at, &objective);
                self.objectives.objectives.push(objective);
            }
        }
        for at in fields.get("escalations").and_then(|at| at.list()).unwrap_or_default() {
            self.read_escalation(&at);
        }
        fields.unsupported(&["exclude", "phases", "schedules"]);
        fields.finish();
    }

    fn read_escalation(&mut self, at: &At<'_>) {
        let Some((escalation, mentions)) = read_escalation(at) else { return };
        self.unique("escalation", &escalation.name, at);
        if escalation.is_default
            && let Some(first) = self.default_escalation.replace(at.node.place.clone())
        {
            at.fail::<()>(format!("a second default escalation; the first is at {first}"));
        }
        self.wanted_channels.extend(mentions);
        self.objectives.escalations.push(escalation);
    }

    fn unique(&mut self, kind: &'static str, name: &str, at: &At<'_>) {
        let place = at.node.place.clone();
        if let Some(first) = self.names.insert((kind, name.to_owned()), place) {
            at.fail::<()>(format!("there are two {kind}s named {name:?}; the other is at {first}"));
        }
    }

    fn read_objective(&mut self, at: &At<'_>) -> Option<Objective> {
        let mut fields = at.fields()?;
        let name = fields.require("name").and_then(|at| read_name(&at));
        if let (Some(name), Some(at)) = (&name, fields.peek("name")) {
            self.unique("objective", name, &at);
        }
        let indicator = fields.require("indicator").and_then(|at| read_indicator(&at));
        let amounts = indicator.as_ref().map_or_else(Amounts::any, Amounts::of);
        let target = fields.get("target").and_then(|at| amounts.read(&at));
        let level = |at: Option<At<'_>>, severity| at.and_then(|at| read_level(&at, severity, &amounts));
        let critical = level(fields.get("critical"), Severity::Critical);
        let warning = level(fields.get("warning"), Severity::Warning);
        let escalation = fields.get("escalation").and_then(|at| {
            let name = at.name()?;
            self.wanted_escalations.push(Mention::of(&at, &name));
            Some(name)
        });
        let burn = fields.get("burn");
        let objective = Objective {
            title: text(&mut fields, "title").or_else(|| name.clone()).unwrap_or_default(),
            name: name.unwrap_or_default(),
            team: text(&mut fields, "team"),
            unit: amounts.unit(),
            target,
            levels: critical.into_iter().chain(warning).collect(),
            budget: fields.get("budget").and_then(|at| read_budget(&at, burn.as_ref())),
            min_samples: fields.get("min_samples").and_then(|at| at.whole(1)),
            no_data: fields.get("no_data").and_then(|at| read_no_data(&at)),
            escalation,
            labels: read_labels(fields.get("labels")),
            annotations: read_annotations(fields.get("annotations")),
            runbook: text(&mut fields, "runbook"),
            dashboard: text(&mut fields, "dashboard"),
            source: at.node.place.source.to_string(),
            indicator: indicator.unwrap_or(crate::slo::Indicator::Value { expr: "0".to_owned() }),
        };
        if let (Some(burn), None) = (&burn, fields.peek("budget")) {
            burn.fail::<()>("there is no `budget` to burn");
        }
        fields.unsupported(&LATER);
        fields.finish();
        Some(objective)
    }

    /// What can't be compiled is refused here, where its place is known.
    fn compile(&self, at: &At<'_>, objective: &Objective) {
        if let Err(ObjectiveError { path, message }) = compile(Arc::new(objective.clone())) {
            let (place, path) = locate(at, &path);
            at.problems.add(&place, &path, message);
        }
    }
}

/// The place of the deepest field on the path that is there.
fn locate(at: &At<'_>, path: &str) -> (Place, String) {
    let mut at = at.clone();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let Some(child) = matches!(at.node.value, Value::Map(_)).then(|| at.fields()?.peek(part)).flatten() else {
            break;
        };
        at = child;
    }
    (at.node.place.clone(), at.path)
}

fn text(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    fields.get(name).and_then(|at| at.name())
}

/// `[a-z0-9-]`, at most 63 characters, beginning and ending with a letter or digit.
pub(super) fn read_name(at: &At<'_>) -> Option<String> {
    let name = at.name()?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.chars().all(allowed) && name.len() <= NAME_LIMIT && !name.starts_with('-') && !name.ends_with('-') {
        return Some(name);
    }
    at.fail(format!("{name:?} is not a name: use lower-case letters, digits and hyphens, at most {NAME_LIMIT}"))
}

fn read_labels(at: Option<At<'_>>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (at, name, value) in at.and_then(|at| at.pairs()).unwrap_or_default() {
        if RESERVED_LABELS.contains(&name.as_str()) {
            at.fail::<()>(format!("the label {name:?} is set by the objective itself"));
        } else if !crate::base::labels::is_label_name(&name) {
            at.fail::<()>(format!("{name:?} is not a label name"));
        }
        labels.insert(name, value);
    }
    labels
}

fn read_annotations(at: Option<At<'_>>) -> BTreeMap<String, String> {
    let pairs = at.and_then(|at| at.pairs()).unwrap_or_default();
    pairs.into_iter().map(|(_, name, value)| (name, value)).collect()
}

impl Amounts {
    /// Reads amounts of whatever unit, when the indicator could not be read.
    fn any() -> Self {
        Self::inferred(None)
    }

    fn unit(&self) -> Unit {
        self.known().unwrap_or(Unit::None)
    }
}
