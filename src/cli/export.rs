//! `plimsoll export`: writes the objectives for other people's tools. Needs no running service.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::config::{self, Channel, ChannelConfig, ConfigErrors, EmailTls, Flags, Loaded, SystemSources};
use crate::export::{self, Receiver, ReceiverKind};
use crate::slo::CompiledObjective;

use super::check::compiled;
use super::{Outcome, complain, print};

/// Arguments of `plimsoll export`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to write
    #[arg(value_enum)]
    pub kind: Kind,
    /// The folder to write to, made when it is not there [default: standard output]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Objectives files, instead of those that the service file names
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub objectives: Vec<String>,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Prometheus alerting rules
    Rules,
    /// Grafana dashboards
    Dashboards,
    /// Alertmanager routes and receivers, without secrets
    Alertmanager,
    /// A PrometheusRule for the Prometheus Operator
    Prometheusrule,
    /// Grafana alert provisioning (not in this version)
    GrafanaAlerts,
}

/// Writes files or to standard output. Secrets need not be there.
///
/// # Errors
/// What can't be written, and what this version does not export.
pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    if args.kind == Kind::GrafanaAlerts {
        complain("plimsoll: this version does not export Grafana alerts; Grafana can show the rules of `export rules`");
        return Ok(Outcome::Misused);
    }
    let loaded = match load(file, &args.objectives) {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&errors.to_string());
            return Ok(Outcome::Misused);
        }
    };
    match &args.out {
        Some(folder) => write_files(folder, &files(args.kind, &loaded)),
        None => print(&single(args.kind, &loaded)),
    }?;
    Ok(Outcome::Fine)
}

fn load(file: Option<&Path>, objectives: &[String]) -> Result<Loaded, ConfigErrors> {
    let flags = Flags { objectives: objectives.to_vec(), allow_missing_secrets: true, ..Flags::default() };
    config::load(file, &SystemSources, &flags)
}

fn write_files(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

/// The files of an export: names and texts.
fn files(kind: Kind, loaded: &Loaded) -> Vec<(String, String)> {
    let compiled = compiled(&loaded.objectives);
    let one = |name: &str, text: String| vec![(name.to_owned(), text)];
    match kind {
        Kind::Rules => one("plimsoll-rules.yaml", export::rules_yaml(&compiled)),
        Kind::Prometheusrule => one("plimsoll-prometheusrule.yaml", export::prometheus_rule_yaml(&compiled)),
        Kind::Alertmanager => one("alertmanager.yaml", alertmanager(loaded, &compiled)),
        Kind::Dashboards => {
            export::dashboards(&compiled).into_iter().map(|(name, model)| (name, format!("{model:#}\n"))).collect()
        }
        Kind::GrafanaAlerts => Vec::new(),
    }
}

/// Everything in one text; dashboards as a JSON array.
fn single(kind: Kind, loaded: &Loaded) -> String {
    if kind == Kind::Dashboards {
        let models = export::dashboards(&compiled(&loaded.objectives)).into_iter().map(|(_, model)| model).collect();
        return format!("{:#}\n", serde_json::Value::Array(models));
    }
    files(kind, loaded).into_iter().map(|(_, text)| text).collect()
}

fn alertmanager(loaded: &Loaded, compiled: &[Arc<CompiledObjective>]) -> String {
    let receivers: Vec<Receiver> = loaded.service.channels.iter().map(receiver).collect();
    export::alertmanager_yaml(compiled, &loaded.objectives.escalations, &receivers)
}

fn receiver(channel: &Channel) -> Receiver {
    let kind = match &channel.config {
        ChannelConfig::PagerDuty { .. } => ReceiverKind::PagerDuty,
        ChannelConfig::Slack { .. } => ReceiverKind::Slack,
        ChannelConfig::Webhook { send_resolved, .. } => ReceiverKind::Webhook { send_resolved: *send_resolved },
        ChannelConfig::Email { smtp, from, to, tls } => {
            let url = url::Url::parse(smtp.expose()).ok();
            let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("localhost");
            let port = url.as_ref().and_then(url::Url::port).unwrap_or(25);
            let user = url.as_ref().map(url::Url::username).filter(|user| !user.is_empty());
            ReceiverKind::Email {
                smarthost: format!("{host}:{port}"),
                user: user.map(str::to_owned),
                from: from.clone(),
                to: to.clone(),
                require_tls: *tls != EmailTls::None,
            }
        }
    };
    Receiver { name: channel.name.clone(), kind }
}
