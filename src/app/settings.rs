//! The service file becomes each module's settings.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use url::Url;

use crate::config::{ChannelConfig, EmailTls, JournalSync, Service};
use crate::slo::CompiledObjective;
use crate::{alert, collect, http, ingest, notify, series, slo};

/// More than this many waiting requests would be more than anyone waits for.
const MOST_QUEUED: usize = 1 << 20;

/// Compiles every objective; an error names the objective, its file and the field.
pub fn compile(objectives: &[slo::Objective]) -> anyhow::Result<Vec<Arc<CompiledObjective>>> {
    let one = |objective: &slo::Objective| {
        let compiled = slo::compile(Arc::new(objective.clone()));
        compiled.map(Arc::new).with_context(|| format!("{}: objective {:?}", objective.source, objective.name))
    };
    objectives.iter().map(one).collect()
}

/// The bounds at which histograms count exactly: defaults and thresholds.
pub fn catalog(compiled: &[Arc<CompiledObjective>]) -> series::MetricCatalog {
    series::MetricCatalog::new(compiled.iter().flat_map(|c| c.thresholds.clone()))
}

/// Settings of `series`.
pub fn series(service: &Service) -> series::Settings {
    let defaults = series::Settings::default();
    let clamp = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    series::Settings {
        journal_dir: service.journal.dir.clone(),
        sync: match service.journal.sync {
            JournalSync::Always => series::JournalSync::Always,
            JournalSync::Write => series::JournalSync::Write,
        },
        journal_max_bytes: service.journal.max_bytes,
        keep: series::Keep {
            resolution_10s: service.keep.resolution_10s,
            resolution_5m: service.keep.resolution_5m,
            resolution_1h: service.keep.resolution_1h,
        },
        limits: series::Limits {
            series: clamp(service.limits.series),
            series_per_service: clamp(service.limits.series_per_service),
            series_per_metric: clamp(service.limits.series_per_metric),
            labels_per_series: clamp(service.limits.labels_per_series),
            label_name_bytes: clamp(service.limits.label_name_bytes),
            label_value_bytes: clamp(service.limits.label_value_bytes),
            batch: clamp(service.limits.batch),
            ..defaults.limits
        },
        settle: service.vitals_settle,
        queue: clamp(service.limits.queue).min(MOST_QUEUED),
        idle: service.limits.series_idle,
    }
}

/// Settings of `ingest`.
pub fn ingest(service: &Service) -> anyhow::Result<ingest::Settings> {
    let rule = |r: &crate::config::RoutePattern| {
        ingest::RouteRule::new(&r.matches, &r.route).with_context(|| format!("routes: {:?}", r.matches))
    };
    let routes = service.routes.iter().map(rule).collect::<anyhow::Result<Vec<_>>>()?;
    let labels = ingest::LabelLimits::from(&series(service).limits);
    Ok(ingest::Settings { routes, labels, ..ingest::Settings::default() })
}

/// Settings of `http`.
pub fn http(service: &Service) -> anyhow::Result<http::Settings> {
    let key = |k: &crate::config::IngestKey| {
        let origins = k.origins.iter().filter(|o| *o != "*").map(|o| http::Origin::parse(o));
        Ok(http::IngestKey {
            secret: k.key.clone(),
            origins: origins.collect::<Result<Vec<_>, _>>().context("keys.ingest.origins")?,
            service: k.service.clone(),
            rate: k.rate.and_then(rate),
        })
    };
    let body = usize::try_from(service.limits.body_bytes).unwrap_or(usize::MAX);
    let defaults = http::Limits::default();
    let limits = http::Limits {
        body,
        unpacked: body.saturating_mul(8),
        remote_write_body: usize::try_from(service.limits.remote_write_body_bytes).unwrap_or(usize::MAX),
        beacon: defaults.beacon.min(body),
        per_client: rate(service.limits.per_client),
        ..defaults
    };
    let ingest = service.ingest_keys.iter().map(key).collect::<anyhow::Result<Vec<_>>>()?;
    let keys = http::Keys { ingest, admin: service.admin_keys.clone() };
    let (route_prefix, browser_prefix) = (service.route_prefix.clone(), service.browser_prefix.clone());
    Ok(http::Settings { limits, keys, route_prefix, browser_prefix, ..http::Settings::default() })
}

/// So many requests a second; below one, one in so many seconds.
fn rate(per_second: f64) -> Option<http::Rate> {
    if per_second >= 1.0 {
        let requests = NonZeroU32::new(per_second.min(f64::from(u32::MAX)) as u32)?;
        return Some(http::Rate { requests, per: Duration::from_secs(1) });
    }
    let per = Duration::try_from_secs_f64(1.0 / per_second).ok()?;
    Some(http::Rate { requests: NonZeroU32::MIN, per })
}

/// Settings of `alert`.
pub fn alert(service: &Service) -> alert::Settings {
    let public_url = service.public_url.clone().unwrap_or_else(|| format!("http://{}", service.listen));
    let public_url = format!("{}{}", public_url.trim_end_matches('/'), service.route_prefix);
    alert::Settings { evaluate_every: service.evaluate_every, public_url, ..alert::Settings::default() }
}

/// Settings of `collect`.
pub fn collect(service: &Service) -> collect::Settings {
    let redis = service.redis.iter().map(|t| collect::RedisTarget {
        name: t.name.clone(),
        url: t.url.clone(),
        every: t.every,
        labels: Vec::new(),
    });
    let postgres = service.postgres.iter().map(|t| collect::PostgresTarget {
        name: t.name.clone(),
        url: t.url.clone(),
        every: t.every,
        labels: Vec::new(),
    });
    let host = service.host.then(|| collect::HostTarget {
        name: "localhost".to_owned(),
        proc: PathBuf::from("/proc"),
        every: Duration::from_secs(10),
    });
    collect::Settings { redis: redis.collect(), postgres: postgres.collect(), host }
}

/// Settings of `notify`.
pub fn notify(service: &Service) -> anyhow::Result<notify::Settings> {
    let channel = |c: &crate::config::Channel| {
        let target = target(&c.config).with_context(|| format!("channel {:?}", c.name))?;
        Ok(notify::Channel { name: c.name.clone(), target })
    };
    Ok(notify::Settings { channels: service.channels.iter().map(channel).collect::<anyhow::Result<_>>()? })
}

fn target(config: &ChannelConfig) -> anyhow::Result<notify::Target> {
    Ok(match config {
        ChannelConfig::PagerDuty { routing_key, url } => notify::Target::PagerDuty(notify::settings::PagerDuty {
            routing_key: routing_key.clone(),
            url: parse_url(url.as_deref().unwrap_or(notify::settings::PAGERDUTY_URL))?,
        }),
        ChannelConfig::Slack { webhook } => notify::Target::Slack(notify::settings::Slack { webhook: webhook.clone() }),
        ChannelConfig::Email { smtp, from, to, tls } => notify::Target::Email(notify::settings::Email {
            smtp: smtp.clone(),
            from: from.clone(),
            to: to.clone(),
            tls: match tls {
                EmailTls::Auto => notify::settings::Tls::Auto,
                EmailTls::None => notify::settings::Tls::None,
            },
        }),
        ChannelConfig::Webhook { url, secret, send_resolved } => notify::Target::Webhook(notify::settings::Webhook {
            url: parse_url(url.expose())?,
            secret: secret.clone(),
            send_resolved: *send_resolved,
        }),
    })
}

/// The text itself may hold a token and is not repeated.
fn parse_url(text: &str) -> anyhow::Result<Url> {
    Url::parse(text).context("its url is not a URL")
}

/// The file of a `sqlite://` URL.
pub fn sqlite_file(service: &Service) -> anyhow::Result<PathBuf> {
    let url = service.database.expose();
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    path.filter(|p| !p.is_empty()).map(PathBuf::from).context(
        "database: this version keeps its state in SQLite; expected sqlite://FILE (PostgreSQL is not supported yet)",
    )
}
