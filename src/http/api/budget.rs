//! `GET /api/objectives/NAME/budget?window=`: what is allowed, spent and left.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::query::{parameter, window, wrong};
use super::{no_objective, reply};
use crate::http::{Api, Problem};
use crate::slo::{Budget, Window};

/// The budget over the window asked for, else the objective's own. Calendar windows are cut in the
/// objective's own time zone when it has one, else in UTC.
pub(super) async fn report(
    State(api): State<Api>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let compiled = api.objectives.compiled(&name).ok_or_else(|| no_objective(&name))?;
    let asked = match parameter(query.as_deref(), "window") {
        None => None,
        Some(text) => Some(
            window(&text, time_zone(compiled.objective.budget.as_ref()))
                .ok_or_else(|| wrong("window", &text, "such as 30d, 12h, 90m, week, month or quarter, at most 400d"))?,
        ),
    };
    let report = api.objectives.budget(&name, asked, api.clock.now()).await.map_err(|error| unreadable(&error))?;
    report.map(reply).ok_or_else(|| no_budget(&name))
}

fn time_zone(budget: Option<&Budget>) -> &str {
    match budget.map(|b| &b.window) {
        Some(Window::Calendar { time_zone, .. }) => time_zone,
        _ => "UTC",
    }
}

fn no_budget(name: &str) -> Problem {
    let detail = format!("objective {name:?} has no `budget`; give it one in its file to see what is left");
    Problem::of(StatusCode::NOT_FOUND, detail)
}

fn unreadable(error: &crate::promql::SourceError) -> Problem {
    tracing::error!(%error, "a budget could not be read");
    Problem::of(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::http::api::routes;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn answers_with_the_report_and_passes_the_window_on() {
        let kit = Kit::new();
        let own = kit.get(routes(), "/api/objectives/api-availability/budget").await.json();
        assert_eq!((own["objective"].as_str(), own["window"].as_str()), (Some("api-availability"), Some("30d")));
        assert_eq!(own["remaining"], 0.31);
        assert_eq!(own["burn"][0]["window"], "5m");
        assert_eq!(own["contributors"][0]["share"], 0.8);
        assert!(own["start"].as_str().unwrap().ends_with('Z'));
        let week = kit.get(routes(), "/api/objectives/api-availability/budget?window=7d").await.json();
        assert_eq!(week["window"], "7d");
        let month = kit.get(routes(), "/api/objectives/api-availability/budget?window=month").await.json();
        assert_eq!(month["window"], "month");
    }

    #[tokio::test]
    async fn refuses_what_it_cannot_answer() {
        let kit = Kit::new();
        assert_eq!(kit.get(routes(), "/api/objectives/nope/budget").await.problem(), 404);
        assert_eq!(kit.get(routes(), "/api/objectives/api-latency/budget").await.problem(), 404);
        assert_eq!(kit.get(routes(), "/api/objectives/api-availability/budget?window=soon").await.problem(), 400);
    }
}
