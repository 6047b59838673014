//! Cases in the notation of Prometheus's own tests: what is loaded, what is asked, what must come out.
//!
//! ```text
//! load 5m
//!   metric{label="x"} 0+10x5 stale {{schema:0 sum:5 count:4 buckets:[1 2 1]}}
//!
//! eval instant at 50m sum(metric)
//!   expect no_warn
//!   {} 5
//! ```
//!
//! The cases in `../testdata` are ours, one file a subject, each with its reason. With `PLIMSOLL_PROMQLTEST_DIR` the
//! files of that folder are run too, so that the engine can be held against Prometheus's own, which are not ours to
//! ship.

mod compare;
mod expect;
mod run;
mod script;
mod storage;

use std::path::Path;

use run::{Outcome, run};

/// Every case passes; of each file it is printed how many do.
#[tokio::test]
async fn all_cases_pass() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/promql/testdata");
    let mut outcomes = run_folder(&ours).await;
    #[expect(clippy::disallowed_methods, reason = "a folder for this test, no setting of the service")]
    if let Ok(foreign) = std::env::var("PLIMSOLL_PROMQLTEST_DIR") {
        outcomes.extend(run_folder(Path::new(&foreign)).await);
    }
    let mut failures = Vec::new();
    for (name, outcome) in outcomes {
        println!("{name}: {} of {} passed", outcome.total - outcome.failures.len(), outcome.total);
        assert!(outcome.total > 0, "{name} has no cases");
        failures.extend(outcome.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn run_folder(folder: &Path) -> Vec<(String, Outcome)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "test")).collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    let mut outcomes = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = run(&name, &std::fs::read_to_string(&file).unwrap()).await;
        outcomes.push((name, outcome));
    }
    outcomes
}
