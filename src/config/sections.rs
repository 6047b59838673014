//! Reads the service file's sections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::channels::read_channel;
use super::reader::{At, Fields, Problems};
use super::secrets::Context;
use super::service::{
    IngestKey, Journal, JournalSync, Keep, Limits, RoutePattern, Service, Target, http_url, read_each,
};
use super::yaml::{Node, Value};
use crate::slo::Unit;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Keys of the file's form that this version can't honour.
const LATER: [&str; 7] = ["grouping", "inhibit", "watchdog", "heartbeats", "mute", "schedules", "phases"];

/// Reads the file. `objectives` is the loader's.
pub(super) fn read_service(node: &Node, context: Context<'_>, problems: &Problems) -> Service {
    let mut service = Service::default();
    let top = At::top(node, problems);
    let Some(mut fields) = top.fields() else { return service };
    fields.get("objectives");
    read_scalars(&mut fields, context, &mut service);
    section(fields.get("journal"), |f| service.journal = read_journal(f, &service.journal));
    section(fields.get("keep"), |f| read_keep(f, &mut service.keep));
    section(fields.get("limits"), |f| read_limits(f, &mut service.limits));
    section(fields.get("vitals"), |f| read_duration(f, "settle", SECOND, DAY, &mut service.vitals_settle));
    section(fields.get("keys"), |f| {
        service.ingest_keys = read_each(f.get("ingest"), |at| read_ingest_key(at, context));
        service.admin_keys = read_each(f.get("admin"), |at| read_admin_key(at, context));
    });
    service.routes = read_each(fields.get("routes"), read_route);
    section(fields.get("collect"), |f| {
        service.redis = read_targets(f.get("redis"), context, &["redis://", "rediss://", "unix://", "redis+unix://"]);
        service.postgres = read_targets(f.get("postgres"), context, &["postgres://", "postgresql://"]);
        service.host = f.get("host").and_then(|at| at.boolean()).unwrap_or(false);
        f.unsupported(&["pgbouncer", "scrape"]);
    });
    service.channels = read_each(fields.get("channels"), |at| read_channel(at, context));
    unique_names(fields.peek("channels"), "channel");
    section(fields.get("telemetry"), |f| service.telemetry_otlp = f.get("otlp").and_then(|at| http_url(&at)));
    if let Some(at) = fields.get("engine")
        && at.node.value != Value::Text("embedded".to_owned())
    {
        at.fail::<()>("only `embedded` is supported by this version");
    }
    fields.unsupported(&LATER);
    fields.finish();
    service
}

/// Reads the fields of a section that is there, and complains about those it did not ask for.
fn section<'a>(at: Option<At<'a>>, read: impl FnOnce(&mut Fields<'a>)) {
    if let Some(mut fields) = at.and_then(|at| at.fields()) {
        read(&mut fields);
        fields.finish();
    }
}

fn read_scalars(fields: &mut Fields<'_>, context: Context<'_>, service: &mut Service) {
    if let Some(listen) = fields.get("listen").and_then(|at| read_listen(&at)) {
        service.listen = listen;
    }
    service.otlp_grpc_listen = fields.get("otlp_grpc_listen").and_then(|at| read_listen(&at));
    if let Some(database) = context.secret(fields, ["database", "database_env", "database_file"]) {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        let missing = context.allow_missing_secrets && database.expose().is_empty();
        if !missing && !known.iter().any(|scheme| database.expose().starts_with(scheme)) {
            // The URL itself may hold a password and is not repeated.
            let at = ["database", "database_env", "database_file"].iter().find_map(|name| fields.peek(name));
            at.and_then(|at| at.fail::<()>("expected a URL that begins with sqlite:// or postgres://"));
        }
        service.database = database;
    }
    service.public_url =
        fields.get("public_url").and_then(|at| http_url(&at)).map(|u| u.trim_end_matches('/').to_owned());
    if let Some(prefix) = fields.get("route_prefix").and_then(|at| read_prefix(&at)) {
        service.route_prefix = prefix;
    }
    service.browser_prefix = fields.get("browser_prefix").and_then(|at| read_browser_prefix(&at));
    read_duration(fields, "evaluate_every", SECOND, 5 * MINUTE, &mut service.evaluate_every);
}

fn read_listen(at: &At<'_>) -> Option<SocketAddr> {
    let text = at.name()?;
    text.parse().map_or_else(
        |_| at.fail(format!("{text:?} is not an address with a port, such as 127.0.0.1:1876 or [::]:1876")),
        Some,
    )
}

fn read_prefix(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let prefix = text.trim_end_matches('/').to_owned();
    if prefix.is_empty() || (prefix.starts_with('/') && prefix.chars().all(allowed)) {
        return Some(prefix);
    }
    at.fail(format!("{text:?} is not a path such as /m"))
}

fn read_browser_prefix(at: &At<'_>) -> Option<String> {
    match read_prefix(at)? {
        prefix if prefix.is_empty() => at.fail("expected a path such as /b, not the root"),
        prefix => Some(prefix),
    }
}

fn read_duration(fields: &mut Fields<'_>, name: &'static str, least: Duration, most: Duration, into: &mut Duration) {
    if let Some(duration) = fields.get(name).and_then(|at| at.duration_within(least, most)) {
        *into = duration;
    }
}

fn read_journal(fields: &mut Fields<'_>, default: &Journal) -> Journal {
    let dir = fields.get("dir").and_then(|at| at.name()).map_or_else(|| default.dir.clone(), Into::into);
    let sync =
        fields.get("sync").and_then(|at| at.choice(&[("always", JournalSync::Always), ("write", JournalSync::Write)]));
    let max = fields.get("max").and_then(|at| amount(&at, Unit::Bytes, "a size such as 1GiB"));
    let max_bytes = max.map_or(default.max_bytes, |bytes| bytes as u64);
    Journal { dir, sync: sync.unwrap_or(default.sync), max_bytes }
}

fn read_keep(fields: &mut Fields<'_>, keep: &mut Keep) {
    let longest = 36_600 * DAY;
    read_duration(fields, "resolution_10s", MINUTE, longest, &mut keep.resolution_10s);
    read_duration(fields, "resolution_5m", MINUTE, longest, &mut keep.resolution_5m);
    read_duration(fields, "resolution_1h", MINUTE, longest, &mut keep.resolution_1h);
    read_duration(fields, "audit", MINUTE, longest, &mut keep.audit);
}

fn read_limits(fields: &mut Fields<'_>, limits: &mut Limits) {
    let whole = |at: Option<At<'_>>, into: &mut u64| {
        if let Some(n) = at.and_then(|at| at.whole(1)) {
            *into = n;
        }
    };
    whole(fields.get("series"), &mut limits.series);
    whole(fields.get("series_per_service"), &mut limits.series_per_service);
    whole(fields.get("series_per_metric"), &mut limits.series_per_metric);
    // Two hours: a late sample finds its series, and none comes again in the last step of the one before.
    read_duration(fields, "series_idle", 120 * MINUTE, 366 * DAY, &mut limits.series_idle);
    whole(fields.get("labels_per_series"), &mut limits.labels_per_series);
    whole(fields.get("batch"), &mut limits.batch);
    whole(fields.get("queue"), &mut limits.queue);
    let size = |at: Option<At<'_>>, into: &mut u64| {
        if let Some(bytes) = at.and_then(|at| amount(&at, Unit::Bytes, "a size such as 1MiB")) {
            *into = bytes as u64;
        }
    };
    size(fields.get("label_name"), &mut limits.label_name_bytes);
    size(fields.get("label_value"), &mut limits.label_value_bytes);
    size(fields.get("body"), &mut limits.body_bytes);
    size(fields.get("remote_write_body"), &mut limits.remote_write_body_bytes);
    if let Some(rate) = fields.get("per_client").and_then(|at| amount(&at, Unit::PerSecond, "a rate such as 50/s")) {
        limits.per_client = rate;
    }
}

fn amount(at: &At<'_>, unit: Unit, expected: &str) -> Option<f64> {
    let quantity = at.quantity()?;
    if quantity.unit == unit && quantity.value > 0.0 {
        Some(quantity.value)
    } else {
        at.fail(format!("expected {expected}"))
    }
}

fn read_ingest_key(at: &At<'_>, context: Context<'_>) -> Option<IngestKey> {
    let mut fields = at.fields()?;
    let key = context.required_secret(&mut fields, ["key", "env", "file"]);
    let service = fields.get("service").and_then(|at| at.name());
    let origins = read_each(fields.get("origins"), read_origin);
    let rate = fields.get("rate").and_then(|at| amount(&at, Unit::PerSecond, "a rate such as 50/s"));
    fields.finish();
    Some(IngestKey { key: key?, service, origins, rate })
}

/// An origin as browsers send it: scheme, host and port, nothing behind.
fn read_origin(at: &At<'_>) -> Option<String> {
    let text = at.name()?;
    let same = |url: url::Url| url.origin().ascii_serialization() == text;
    if text == "*" || url::Url::parse(&text).is_ok_and(same) {
        return Some(text);
    }
    at.fail(format!("{text:?} is not an origin such as https://shop.example (no path, no slash at the end)"))
}

fn read_admin_key(at: &At<'_>, context: Context<'_>) -> Option<crate::base::Secret> {
    let mut fields = at.fields()?;
    let key = context.required_secret(&mut fields, ["key", "env", "file"]);
    fields.finish();
    key
}

fn read_route(at: &At<'_>) -> Option<RoutePattern> {
    let mut fields = at.fields()?;
    let path = |at: At<'_>| {
        let text = at.name()?;
        if text.starts_with('/') { Some(text) } else { at.fail("a route begins with /") }
    };
    let matches = fields.require("match").and_then(path);
    let route = fields.require("as").and_then(path);
    fields.finish();
    Some(RoutePattern { matches: matches?, route: route? })
}

fn read_targets(list: Option<At<'_>>, context: Context<'_>, schemes: &[&str]) -> Vec<Target> {
    unique_names(list.clone(), "target");
    read_each(list, |at| read_target(at, context, schemes))
}

fn read_target(at: &At<'_>, context: Context<'_>, schemes: &[&str]) -> Option<Target> {
    let mut fields = at.fields()?;
    let name = fields.require("name").and_then(|at| at.name());
    let url = context.required_secret(&mut fields, ["url", "url_env", "url_file"]);
    let mut every = Duration::from_secs(15);
    read_duration(&mut fields, "every", SECOND, Duration::from_secs(3600), &mut every);
    fields.finish();
    let url = url?;
    let missing = context.allow_missing_secrets && url.expose().is_empty();
    if !missing && !schemes.iter().any(|scheme| url.expose().starts_with(scheme)) {
        return at.fail(format!("the URL has to begin with {}", schemes[0]));
    }
    Some(Target { name: name?, url, every })
}

/// Complains about names that occur twice in a list.
fn unique_names(list: Option<At<'_>>, kind: &str) {
    let mut seen = BTreeMap::new();
    let Some(list) = list else { return };
    let Value::List(items) = &list.node.value else { return };
    for item in items {
        let Value::Map(entries) = &item.value else { continue };
        let Some((_, node)) = entries.iter().find(|(key, _)| key.name == "name") else { continue };
        let Value::Text(name) = &node.value else { continue };
        if let Some(first) = seen.insert(name.clone(), node.place.clone()) {
            let message = format!("there are two {kind}s named {name:?}; the other is at {first}");
            list.problems.add(&node.place, &format!("{}.name", list.path), message);
        }
    }
}
