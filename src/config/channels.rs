//! `channels:` of the service file.

use super::objectives::read_name;
use super::reader::At;
use super::secrets::Context;
use super::service::{Channel, ChannelConfig, EmailTls};
use super::service::{http_url, read_each};

const LATER: [&str; 3] = ["twilio", "teams", "alertmanager"];

/// Reads a channel: a name and exactly one kind.
pub(super) fn read_channel(at: &At<'_>, context: Context<'_>) -> Option<Channel> {
    let mut fields = at.fields()?;
    let name = fields.require("name").and_then(|at| read_name(&at));
    let kinds = ["pagerduty", "slack", "email", "webhook"];
    let given: Vec<At<'_>> = kinds.iter().filter_map(|kind| fields.get(kind)).collect();
    let later = LATER.iter().any(|kind| fields.peek(kind).is_some());
    fields.unsupported(&LATER);
    let config = match given.as_slice() {
        [one] => read_kind(one, context),
        [] if later => None,
        _ => at.fail("a channel has a `name` and exactly one of pagerduty, slack, email, webhook"),
    };
    fields.finish();
    Some(Channel { name: name?, config: config? })
}

fn read_kind(at: &At<'_>, context: Context<'_>) -> Option<ChannelConfig> {
    match at.path.rsplit('.').next() {
        Some("pagerduty") => read_pagerduty(at, context),
        Some("slack") => read_slack(at, context),
        Some("email") => read_email(at, context),
        _ => read_webhook(at, context),
    }
}

fn read_pagerduty(at: &At<'_>, context: Context<'_>) -> Option<ChannelConfig> {
    let mut fields = at.fields()?;
    let routing_key = context.required_secret(&mut fields, ["routing_key", "routing_key_env", "routing_key_file"]);
    let url = fields.get("url").or_else(|| fields.get("api_url")).and_then(|at| http_url(&at));
    fields.unsupported(&["webhook_secret", "webhook_secret_env", "webhook_secret_file"]);
    fields.get("api_url");
    fields.finish();
    Some(ChannelConfig::PagerDuty { routing_key: routing_key?, url })
}

fn read_slack(at: &At<'_>, context: Context<'_>) -> Option<ChannelConfig> {
    let mut fields = at.fields()?;
    let webhook = context.required_secret(&mut fields, ["webhook", "webhook_env", "webhook_file"]);
    fields.unsupported(&["token", "token_env", "token_file", "channel", "api_url"]);
    fields.unsupported(&["signing_secret", "signing_secret_env", "signing_secret_file"]);
    fields.finish();
    Some(ChannelConfig::Slack { webhook: webhook? })
}

fn read_email(at: &At<'_>, context: Context<'_>) -> Option<ChannelConfig> {
    let mut fields = at.fields()?;
    let smtp = context.required_secret(&mut fields, ["smtp", "smtp_env", "smtp_file"]);
    let from = fields.require("from").and_then(|at| read_address(&at));
    let to = fields.require("to").and_then(|at| {
        at.texts()?;
        let addresses = if matches!(at.node.value, super::yaml::Value::List(_)) {
            read_each(Some(at.clone()), read_address)
        } else {
            read_address(&at).into_iter().collect()
        };
        if addresses.is_empty() { at.fail("expected at least one address") } else { Some(addresses) }
    });
    let tls = fields
        .get("tls")
        .map_or(Some(EmailTls::Auto), |at| at.choice(&[("auto", EmailTls::Auto), ("none", EmailTls::None)]));
    fields.finish();
    Some(ChannelConfig::Email { smtp: smtp?, from: from?, to: to?, tls: tls? })
}

/// `name@host` or `Display Name <name@host>`, as the mail library reads it.
fn read_address(at: &At<'_>) -> Option<String> {
    let text = at.name()?;
    match text.parse::<lettre::message::Mailbox>() {
        Ok(_) => Some(text),
        Err(_) => at.fail(format!("{text:?} is not a mail address")),
    }
}

fn read_webhook(at: &At<'_>, context: Context<'_>) -> Option<ChannelConfig> {
    let mut fields = at.fields()?;
    if let Some(url) = fields.get("url") {
        http_url(&url)?;
    }
    let url = context.required_secret(&mut fields, ["url", "url_env", "url_file"]);
    let secret = context.secret(&mut fields, ["secret", "secret_env", "secret_file"]);
    let send_resolved = fields.get("send_resolved").map_or(Some(true), |at| at.boolean());
    fields.finish();
    Some(ChannelConfig::Webhook { url: url?, secret, send_resolved: send_resolved? })
}
