//! The on-call's verbs: `incidents`, `ack`, `status`.

use std::io::Write;

use serde_json::{Value, json};

use super::Outcome;
use super::client::ServerArgs;

/// Arguments of `plimsoll incidents`.
#[derive(Debug, clap::Args)]
pub struct IncidentsArgs {
    /// Also those that are over
    #[arg(long)]
    pub all: bool,
    /// Print the server's JSON
    #[arg(long)]
    pub json: bool,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `plimsoll ack`.
#[derive(Debug, clap::Args)]
pub struct AckArgs {
    /// The incident's id, or enough of its beginning or end to be the only one
    pub incident: String,
    /// Who acknowledges
    #[arg(long, value_name = "NAME", env = "USER", default_value = "someone")]
    pub by: String,
    /// A remark
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `plimsoll status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print the server's JSON
    #[arg(long)]
    pub json: bool,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Lists incidents.
pub fn incidents(args: &IncidentsArgs) -> anyhow::Result<Outcome> {
    let state = if args.all { "all" } else { "open" };
    let answer = args.server.get("/api/incidents", &[("state", state)])?;
    if args.json {
        return print(&serde_json::to_string_pretty(&answer)?);
    }
    let incidents = answer["incidents"].as_array().cloned().unwrap_or_default();
    if incidents.is_empty() {
        return print("no incidents");
    }
    let lines: Vec<String> = incidents.iter().map(incident_line).collect();
    print(&lines.join("\n"))
}

fn incident_line(incident: &Value) -> String {
    let text = |key: &str| incident[key].as_str().unwrap_or("-").to_owned();
    let acknowledged = incident["acknowledged_by"].as_str().map(|by| format!(" ({by})")).unwrap_or_default();
    format!(
        "{}  {:8}  {}{acknowledged}  since {}  {}",
        text("id"),
        text("severity"),
        text("state"),
        text("started_at"),
        text("summary")
    )
}

/// Acknowledges one incident.
pub fn ack(args: &AckArgs) -> anyhow::Result<Outcome> {
    let id = find(&args.server.get("/api/incidents", &[("state", "all")])?, &args.incident)?;
    let body = json!({"by": args.by, "note": args.note});
    let incident = args.server.post(&format!("/api/incidents/{id}/ack"), &body)?;
    let by = incident["acknowledged_by"].as_str().unwrap_or("someone");
    print(&format!("{id} is acknowledged by {by}: {}", incident["summary"].as_str().unwrap_or_default()))
}

/// The one incident whose id begins or ends with `part`.
fn find(list: &Value, part: &str) -> anyhow::Result<String> {
    let ids = list["incidents"].as_array().into_iter().flatten().filter_map(|i| i["id"].as_str());
    let found: Vec<&str> = ids.filter(|id| id.starts_with(part) || id.ends_with(part)).collect();
    match found[..] {
        [one] => Ok(one.to_owned()),
        [] => anyhow::bail!("no incident's id begins or ends with {part:?}; `plimsoll incidents --all` lists them"),
        _ => anyhow::bail!("{} incidents match {part:?}: {}", found.len(), found.join(", ")),
    }
}

/// Shows every objective.
pub fn status(args: &StatusArgs) -> anyhow::Result<Outcome> {
    let answer = args.server.get("/api/objectives", &[])?;
    if args.json {
        return print(&serde_json::to_string_pretty(&answer)?);
    }
    let objectives = answer["objectives"].as_array().cloned().unwrap_or_default();
    let lines: Vec<String> = objectives.iter().map(objective_line).collect();
    print(if lines.is_empty() { "no objectives are configured" } else { "" })?;
    print(&lines.join("\n"))
}

fn objective_line(objective: &Value) -> String {
    let number = |key: &str| objective[key].as_f64().map_or("-".to_owned(), |v| format!("{v:.4}"));
    let left = objective["budget"]["remaining"].as_f64();
    let budget = left.map(|r| format!("  budget left {:.1} %", r * 100.0)).unwrap_or_default();
    format!(
        "{:9} {:32} {} (target {}) {}{budget}",
        objective["status"].as_str().unwrap_or("-"),
        objective["name"].as_str().unwrap_or("-"),
        number("value"),
        number("target"),
        objective["unit"].as_str().unwrap_or_default()
    )
}

fn print(text: &str) -> anyhow::Result<Outcome> {
    if !text.is_empty() {
        writeln!(std::io::stdout(), "{text}")?;
    }
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_shortened_while_it_is_the_only_one() {
        let list = json!({"incidents": [{"id": "01-abc"}, {"id": "01-def"}]});
        assert_eq!(find(&list, "def").unwrap(), "01-def");
        assert!(find(&list, "01").unwrap_err().to_string().starts_with("2 incidents"));
        assert!(find(&list, "x").is_err());
    }
}
