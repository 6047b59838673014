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
//! The cases in `../testdata` are ours, one file a subject, each with its reason. The same runner takes a
//! directory of other files, so that the engine can be held against Prometheus's.

mod compare;
mod expect;
mod run;
mod script;
mod storage;

use std::path::Path;

use run::{Outcome, run};

/// Every case of our own passes.
#[tokio::test]
async fn our_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/promql/testdata");
    let outcomes = run_folder(&folder).await;
    let failures: Vec<String> = outcomes.iter().flat_map(|(_, o)| o.failures.clone()).collect();
    assert!(outcomes.iter().all(|(_, o)| o.total > 0), "a file without cases, or none: {outcomes:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs `PLIMSOLL_PROMQLTEST_DIR` and prints for each file how many of its cases pass, and what the others say.
#[tokio::test]
#[ignore = "needs a directory of Prometheus's test files, which are not ours to ship"]
async fn foreign_cases() {
    #[expect(clippy::disallowed_methods, reason = "a folder for this test, no setting of the service")]
    let folder = std::env::var("PLIMSOLL_PROMQLTEST_DIR");
    let Ok(folder) = folder else { return };
    let mut failed = 0;
    for (name, outcome) in run_folder(Path::new(&folder)).await {
        outcome.failures.iter().for_each(|failure| println!("{failure}"));
        println!("{name}: {} of {} passed", outcome.total - outcome.failures.len(), outcome.total);
        failed += outcome.failures.len();
    }
    assert_eq!(failed, 0, "cases failed");
}

async fn run_folder(folder: &Path) -> Vec<(String, Outcome)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "test")).collect();
    files.sort();
    let mut outcomes = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = run(&name, &std::fs::read_to_string(&file).unwrap()).await;
        outcomes.push((name, outcome));
    }
    outcomes
}
