//! `plimsoll query`: PromQL on a running server, as a table or JSON.

use std::io::Write;

use anyhow::bail;
use serde_json::Value;

use super::Outcome;
use super::client::ServerArgs;

/// Arguments of `plimsoll query`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The expression
    pub expression: String,
    /// Evaluate at this time instead of now (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end"])]
    pub at: Option<String>,
    /// Evaluate from here …
    #[arg(long, value_name = "TIME", requires = "end")]
    pub start: Option<String>,
    /// … to here
    #[arg(long, value_name = "TIME", requires = "start")]
    pub end: Option<String>,
    /// … each so often
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub step: String,
    /// How to print the answer
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A line a series (and time).
    Table,
    /// As the server answered.
    Json,
}

/// Asks and prints.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let answer = match (&args.start, &args.end) {
        (Some(start), Some(end)) => {
            let query = [("query", args.expression.as_str()), ("start", start), ("end", end), ("step", &args.step)];
            args.server.get("/api/v1/query_range", &query)?
        }
        _ => {
            let mut query = vec![("query", args.expression.as_str())];
            query.extend(args.at.as_deref().map(|at| ("time", at)));
            args.server.get("/api/v1/query", &query)?
        }
    };
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(&answer)?,
        Output::Table => table(&answer)?,
    };
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(Outcome::Fine)
}

/// One line for each value: series, time where there are several, value.
fn table(answer: &Value) -> anyhow::Result<String> {
    let data = &answer["data"];
    let result = &data["result"];
    let text = match data["resultType"].as_str() {
        Some("scalar" | "string") => result[1].as_str().unwrap_or_default().to_owned(),
        Some("vector") => lines(result, |series| vec![format!("{} {}", name(series), shown(&series["value"][1]))]),
        Some("matrix") => lines(result, |series| {
            let values = series["values"].as_array().into_iter().flatten();
            values.map(|v| format!("{} {} {}", name(series), v[0], shown(&v[1]))).collect()
        }),
        _ => bail!("the server's answer cannot be shown as a table (try --output json): {answer}"),
    };
    Ok(text)
}

fn lines(result: &Value, line: impl Fn(&Value) -> Vec<String>) -> String {
    let all: Vec<String> = result.as_array().into_iter().flatten().flat_map(line).collect();
    if all.is_empty() { "no data".to_owned() } else { all.join("\n") }
}

fn shown(value: &Value) -> String {
    value.as_str().unwrap_or("histogram (see --output json)").to_owned()
}

fn name(series: &Value) -> String {
    let labels = serde_json::from_value::<crate::base::Labels>(series["metric"].clone());
    labels.map(|l| l.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_a_line_a_series() {
        let answer = serde_json::json!({"data": {"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "1"]},
            {"metric": {}, "value": [1.5, "NaN"]},
        ]}});
        assert_eq!(table(&answer).unwrap(), "up{job=\"a\"} 1\n{} NaN");
        assert!(table(&serde_json::json!({"hello": 1})).is_err());
    }
}
