//! `GET /vitals?window=`: the p75 of each web vital by route.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use futures::future::try_join_all;
use maud::{Markup, html};

use super::layout::{Failure, Page};
use super::vital_rows::{Cell, Rating, Row, rows, vitals};
use super::{format, parts};
use crate::base::{METRIC_NAME, Matcher, Timestamp};
use crate::http::{Api, Problem};
use crate::ingest::attribution::Target;
use crate::ingest::vitals::Vital;
use crate::promql::SourceError;

const REFRESH: u32 = 30;

/// The windows to choose from; the first is shown unless another is asked for.
const WINDOWS: [(&str, u64); 4] = [("24h", 24), ("1h", 1), ("7d", 7 * 24), ("28d", 28 * 24)];

/// The most routes listed.
const ROUTES: usize = 200;

/// The most elements listed.
const BLAMED: usize = 15;

/// The page.
pub(super) async fn page(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Page<'static>, Failure> {
    let asked = query.as_deref().and_then(|q| q.strip_prefix("window="));
    let (window, hours) = WINDOWS.into_iter().find(|(name, _)| asked == Some(name)).unwrap_or(WINDOWS[0]);
    let now = api.clock.now();
    let start = now - Duration::from_secs(hours * 3600);
    let rows = read(&api, start, now)
        .await
        .map_err(|error| Problem::of(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let body = html! {
        h1 { "Web vitals" }
        @if rows.is_empty() { (first_steps(&api, &headers, window)) } @else { (table(&rows, window)) }
        (blamed(&api.edge().intake.attributions().worst(start, now, BLAMED, |_| true)))
    };
    Ok(Page { title: "Web vitals", section: "/vitals", refresh: Some(REFRESH), body })
}

async fn read(api: &Api, start: Timestamp, end: Timestamp) -> Result<Vec<Row>, SourceError> {
    let matchers: Vec<[Matcher; 1]> = vitals().map(|v| [Matcher::equal(METRIC_NAME, v.metric)]).collect();
    let settled = try_join_all(matchers.iter().map(|m| api.known.histograms(m, start, end))).await?;
    Ok(rows(&settled, &api.known.pending_vitals(start)))
}

fn tabs(window: &str) -> Markup {
    html! {
        nav.tabs aria-label="Window" {
            @for (name, _) in WINDOWS {
                a href={ "/vitals?window=" (name) } aria-current=[(name == window).then_some("true")] { (name) }
            }
        }
    }
}

fn table(rows: &[Row], window: &str) -> Markup {
    html! {
        section {
            (tabs(window))
            p.muted {
                "The 75th percentile of page views, of settled and provisional views together. The bar shows how many "
                "views are good, middling and poor."
            }
            table.vitals {
                thead { tr { th { "Route" } @for vital in vitals() { th { (vital.name) small { " ≤ " (format::quantity(Some(vital.good), vital.unit)) } } } } }
                tbody { @for row in rows.iter().take(ROUTES) { (line(row)) } }
            }
            @if rows.len() > ROUTES { p.muted { "and " (rows.len() - ROUTES) " more routes" } }
        }
    }
}

fn line(row: &Row) -> Markup {
    html! {
        tr {
            td.title {
                b { (if row.key.route.is_empty() { "(no route)" } else { &row.key.route }) }
                div.muted {
                    (row.key.service)
                    @if row.key.soft { " · soft navigations" }
                    " · " (format::count(row.views())) " views"
                }
            }
            @for (vital, cell) in vitals().zip(&row.cells) { (value(vital, cell)) }
        }
    }
}

fn value(vital: &Vital, cell: &Cell) -> Markup {
    let class = match cell.rating() {
        None => "none",
        Some(Rating::Good) => "ok",
        Some(Rating::Middling) => "warning",
        Some(Rating::Poor) => "critical",
    };
    html! {
        td class={ "vital " (class) } data-label=(vital.name) {
            span.num { (format::quantity(cell.p75(), vital.unit)) }
            @if cell.count() > 0 {
                (shares_bar(cell))
                small { "N " (format::count(cell.count())) @if cell.provisional > 0 { ", " (format::count(cell.provisional)) " provisional" } }
            }
        }
    }
}

fn shares_bar(cell: &Cell) -> Markup {
    let [good, middling, poor] = cell.shares().map(|share| share.clamp(0.0, 1.0) * 100.0);
    let words = format!("{good:.0} % good, {middling:.0} % middling, {poor:.0} % poor");
    html! {
        svg.bar.shares viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            rect.ok width=(format!("{good:.1}")) height="6" {}
            rect.warning x=(format!("{good:.1}")) width=(format!("{middling:.1}")) height="6" {}
            rect.critical x=(format!("{:.1}", good + middling)) width=(format!("{poor:.1}")) height="6" {}
        }
    }
}

/// What to look at: the elements that views beyond good name. Selectors come from pages; `maud` escapes them.
fn blamed(targets: &[Target]) -> Markup {
    html! {
        @if !targets.is_empty() {
            section {
                h2 { "What to look at" }
                p.muted {
                    "The elements that views beyond good name as their reason, in the last six hours at most, those "
                    "with most poor views first."
                }
                table.list {
                    thead { tr { th { "Element" } th.n { "Views beyond good" } th.n { "Poor" } th.n { "Average" } } }
                    tbody { @for target in targets { (blamed_line(target)) } }
                }
            }
        }
    }
}

fn blamed_line(target: &Target) -> Markup {
    let spot = &target.spot;
    let unit = vitals().find(|v| v.name == spot.vital).map_or("", |v| v.unit);
    html! {
        tr {
            td.title {
                b { code { (target.target) } }
                div.muted {
                    (spot.vital) " · " (spot.service) " " (spot.route)
                    @if spot.soft { " · soft navigations" }
                }
            }
            td.n data-label="Views beyond good" { (format::count(target.views)) }
            td.n data-label="Poor" { (format::count(target.poor)) }
            td.n data-label="Average" { (format::quantity(Some(target.average), unit)) }
        }
    }
}

fn first_steps(api: &Api, headers: &HeaderMap, window: &str) -> Markup {
    let own = parts::own_address(api, headers);
    html! {
        (tabs(window))
        section.empty {
            h2 { "No page view in this window" }
            p { "Put the script into your pages. The route is optional; without it, parts of the path that look like ids become " code { "*" } "." }
            pre { "<script defer src=\"" (own) "/sdk/plimsoll.js\" data-site=\"shop\"\n        data-route=\"/product/:id\" data-release=\"2026.11.1\"></script>" }
            p { "Or send one report by hand:" }
            pre {
                "curl " (own) "/ingest/vitals -H 'content-type: application/json' \\\n  "
                "-d '{\"v\":1,\"site\":\"shop\",\"route\":\"/\",\"metrics\":[{\"name\":\"LCP\",\"value\":1834.2,\"id\":\"v6-1\"}]}'"
            }
            p.muted { "With attribution (which element, which script): " code { "/sdk/plimsoll.attr.js" } ". Files and hashes: " a href="/sdk/" { "/sdk/" } }
        }
    }
}
