//! Alertmanager configuration: a route and a receiver for each escalation.
//!
//! Alertmanager repeats but does not climb: only the first level of an escalation is told. Secrets are not
//! written; each receiver names the file that has to hold its secret.

use std::sync::Arc;

use super::yaml::Doc;
use crate::slo::{CompiledObjective, Escalation, format_duration};

/// A channel as Alertmanager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The channel's name; also the name of the file with its secret.
    pub name: String,
    /// The kind.
    pub kind: ReceiverKind,
}

/// The kinds of channels that Alertmanager has too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverKind {
    /// PagerDuty Events v2.
    PagerDuty,
    /// A Slack incoming webhook.
    Slack,
    /// Mail.
    Email {
        /// `host:port` of the server.
        smarthost: String,
        /// The user to log in as; its password is the secret.
        user: Option<String>,
        /// The sender.
        from: String,
        /// The receivers.
        to: Vec<String>,
        /// Whether TLS is demanded.
        require_tls: bool,
    },
    /// A generic webhook; its URL is the secret (Alertmanager 0.26 and later).
    Webhook {
        /// Whether resolutions are sent too.
        send_resolved: bool,
    },
}

/// Where the secrets of exported receivers are looked for.
pub const SECRETS_FOLDER: &str = "/etc/alertmanager/secrets";

const HEADER: &str = "# Written by `plimsoll export alertmanager`. Alertmanager repeats but does not escalate: only the first\n\
# level of each escalation is told. Secrets are read from files, one for each channel.\n";

/// The receiver of alerts that climb nothing.
const NOBODY: &str = "nobody";

/// A complete configuration.
pub fn alertmanager_yaml(
    objectives: &[Arc<CompiledObjective>],
    escalations: &[Escalation],
    channels: &[Receiver],
) -> String {
    let default = escalations.iter().find(|e| e.is_default).or(escalations.first());
    let root = default.map_or(NOBODY.to_owned(), receiver_name);
    let mut receivers = vec![Doc::map([("name", Doc::text(NOBODY))])];
    receivers.extend(escalations.iter().map(|e| receiver(e, channels)));
    let config = Doc::map([
        ("route", route(&root, escalations)),
        ("inhibit_rules", Doc::List(vec![inhibition(objectives)])),
        ("receivers", Doc::List(receivers)),
    ]);
    format!("{HEADER}{}", config.render())
}

fn receiver_name(escalation: &Escalation) -> String {
    format!("escalation-{}", escalation.name)
}

fn route(root: &str, escalations: &[Escalation]) -> Doc {
    let routes = escalations.iter().map(|escalation| {
        let mut fields = vec![
            ("receiver", Doc::text(receiver_name(escalation))),
            ("matchers", Doc::List(vec![Doc::text(format!("escalation=\"{}\"", escalation.name))])),
        ];
        fields.extend(escalation.repeat.map(|every| ("repeat_interval", Doc::text(format_duration(every)))));
        Doc::map(fields)
    });
    Doc::map([
        ("receiver", Doc::text(root)),
        ("group_by", Doc::List(vec![Doc::text("objective")])),
        ("group_wait", Doc::text("10s")),
        ("group_interval", Doc::text("1m")),
        ("repeat_interval", Doc::text("4h")),
        ("routes", Doc::List(routes.collect())),
    ])
}

/// A critical alert silences the warnings of the same objective and group.
fn inhibition(objectives: &[Arc<CompiledObjective>]) -> Doc {
    let mut equal = vec!["objective".to_owned()];
    for label in objectives.iter().flat_map(|o| group_labels(o)) {
        if !equal.contains(&label) {
            equal.push(label);
        }
    }
    Doc::map([
        ("source_matchers", Doc::List(vec![Doc::text("severity=\"critical\"")])),
        ("target_matchers", Doc::List(vec![Doc::text("severity=\"warning\"")])),
        ("equal", Doc::List(equal.into_iter().map(Doc::text).collect())),
    ])
}

fn group_labels(compiled: &CompiledObjective) -> Vec<String> {
    use crate::slo::Indicator;
    match &compiled.objective.indicator {
        Indicator::Percentile { by, .. } | Indicator::Threshold { by, .. } | Indicator::Ratio { by, .. } => by.clone(),
        Indicator::Value { .. } => vec!["instance".to_owned()],
    }
}

fn receiver(escalation: &Escalation, channels: &[Receiver]) -> Doc {
    let first = escalation.levels.first().map(|level| level.notify.as_slice()).unwrap_or_default();
    let told: Vec<&Receiver> = channels.iter().filter(|c| first.contains(&c.name)).collect();
    let mut fields = vec![("name".to_owned(), Doc::text(receiver_name(escalation)))];
    for kind in ["pagerduty_configs", "slack_configs", "email_configs", "webhook_configs"] {
        let configs: Vec<Doc> = told.iter().filter(|c| kind_of(c) == kind).map(|c| config(c)).collect();
        if !configs.is_empty() {
            fields.push((kind.to_owned(), Doc::List(configs)));
        }
    }
    Doc::Map(fields)
}

fn kind_of(channel: &Receiver) -> &'static str {
    match channel.kind {
        ReceiverKind::PagerDuty => "pagerduty_configs",
        ReceiverKind::Slack => "slack_configs",
        ReceiverKind::Email { .. } => "email_configs",
        ReceiverKind::Webhook { .. } => "webhook_configs",
    }
}

fn config(channel: &Receiver) -> Doc {
    let secret = Doc::text(format!("{SECRETS_FOLDER}/{}", channel.name));
    let flag = |on: bool| Doc::Bare(on.to_string());
    match &channel.kind {
        ReceiverKind::PagerDuty => Doc::map([
            ("routing_key_file", secret),
            ("severity", Doc::text("{{ .CommonLabels.severity }}")),
            ("description", Doc::text("{{ .CommonAnnotations.summary }}")),
        ]),
        ReceiverKind::Slack => Doc::map([
            ("api_url_file", secret),
            ("send_resolved", flag(true)),
            ("title", Doc::text("{{ .CommonAnnotations.summary }}")),
            ("text", Doc::text("{{ range .Alerts }}{{ .Annotations.description }}\n{{ end }}")),
        ]),
        ReceiverKind::Email { smarthost, user, from, to, require_tls } => {
            let mut fields = vec![
                ("to", Doc::text(to.join(", "))),
                ("from", Doc::text(from)),
                ("smarthost", Doc::text(smarthost)),
                ("require_tls", flag(*require_tls)),
                ("send_resolved", flag(true)),
            ];
            if let Some(user) = user {
                fields.extend([("auth_username", Doc::text(user)), ("auth_password_file", secret)]);
            }
            Doc::map(fields)
        }
        ReceiverKind::Webhook { send_resolved } => {
            Doc::map([("url_file", secret), ("send_resolved", flag(*send_resolved))])
        }
    }
}
