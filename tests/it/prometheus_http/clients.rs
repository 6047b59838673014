//! promtool and our own `plimsoll query` on the real binary.

use std::path::Path;
use std::process::Command;

use super::{Pair, form};
use crate::support::plimsoll::run;

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").arg("query").args(arguments).output().expect("promtool (`make test-deps`)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Both servers give promtool the same, up to the order of lines.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_is_told_the_same() {
    let pair = Pair::start().await;
    let (start, end) = (pair.seconds(300), pair.seconds(600));
    let times = [format!("--time={end}"), format!("--start={start}"), format!("--end={end}")];
    let asked = |url: &str| {
        let [time, start, end] = times.each_ref().map(String::as_str);
        let sorted = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        [
            sorted(promtool(&["instant", time, url, "requests_total"])),
            sorted(promtool(&["instant", time, url, "sum by (job) (rate(requests_total[5m]))"])),
            sorted(promtool(&["range", start, end, "--step=30s", url, "temperature"])),
            sorted(promtool(&["series", "--match=requests_total", "--match=odd", start, end, url])),
            sorted(promtool(&["labels", start, end, url, "job"])),
        ]
    };
    let [theirs, ours] = pair.urls().map(|url| asked(&url));
    assert_eq!(theirs, ours);
    assert!(theirs.iter().all(|lines| lines.len() >= 2), "{theirs:?}");
}

fn query(pair: &Pair, arguments: &[&str]) -> (i32, String, String) {
    let url = pair.service.url();
    run(Path::new("/"), &[&["query", "--server", &url], arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_prints_tables_and_plots() {
    let pair = Pair::start().await;
    let (start, end) = (pair.seconds(300), pair.seconds(900));
    let (status, table, _) = query(&pair, &["requests_total{job=\"api\"}", "--at", &end]);
    let expected = "metric          code  job  value\nrequests_total  200   api  ";
    assert!(status == 0 && table.starts_with(expected) && table.lines().count() == 3, "{table}");
    let (status, plot, _) = query(
        &pair,
        &["temperature{room=\"a\"}", "--start", &start, "--end", &end, "--format", "plot", "--width", "60"],
    );
    assert_eq!(status, 0);
    assert!(plot.contains("┤") && plot.contains(" UTC\n") && plot.contains("● temperature{"), "{plot}");
    assert!(plot.lines().all(|line| line.chars().count() <= 60) && !plot.contains('\u{1b}'), "{plot}");
    // Not a terminal: without being asked for a plot it is a table.
    let (_, piped, _) = query(&pair, &["vector(1)", "--start", "-1m", "--step", "30s"]);
    assert_eq!(piped.lines().count(), 4, "{piped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_passes_json_notes_and_errors_on() {
    let pair = Pair::start().await;
    let end = pair.seconds(900);
    let (_, json, said) = query(&pair, &["rate(temperature[5m])", "--at", &end, "--format", "json"]);
    let ours =
        pair.ours(&format!("/api/v1/query?{}", form(&[("query", "rate(temperature[5m])"), ("time", &end)]))).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["data"], ours);
    assert!(said.starts_with("info: ") && said.contains("might not be a counter"), "{said}");
    let (status, _, said) = query(&pair, &["sum("]);
    assert!(status == 1 && said.contains("the server refused (400)") && said.contains("parse error"), "{said}");
    let (status, _, said) = query(&pair, &["up", "--at", "yesterday"]);
    assert!(status == 2 && said.contains("--at \"yesterday\" is not a time"), "{said}");
    let (status, _, said) = query(&pair, &["up", "--format", "plot"]);
    assert!(status == 2 && said.contains("--start -1h"), "{said}");
    let (status, _, said) = run(Path::new("/"), &["query", "up", "--server", "http://127.0.0.1:1"]);
    assert!(status == 1 && said.contains("plimsoll serve"), "{said}");
}
