//! The real binary while its wall clock is set: libfaketime moves what the process reads, the monotonic clock runs on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::plimsoll::Plimsoll;
use crate::support::wait;

/// Debian's libfaketime; `None` where it is not installed (see scripts/install-test-deps).
fn library() -> Option<PathBuf> {
    let places = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    let mut found = places.iter().map(|p| Path::new("/usr/lib").join(p).join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists())
}

fn set(file: &Path, offset: &str) {
    std::fs::write(file, offset).unwrap();
}

async fn wait_for_steps(service: &Plimsoll, back: u64, forward: u64) {
    wait::until("the steps are counted", Duration::from_secs(40), || async {
        let of = |direction: &str| format!("plimsoll_clock_steps_total{{direction=\"{direction}\"}}");
        let seen = (service.value(&of("back")).await as u64, service.value(&of("forward")).await as u64);
        if seen == (back, forward) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_and_forward_loses_and_doubles_nothing() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offset");
    set(&file, "+0");
    let (library, path) = (library.display().to_string(), file.display().to_string());
    let env = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", path.as_str()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut service = Plimsoll::start_with(folder.path(), "objectives: []\n", &env).await;
    let mut sent = 0;
    for (offset, back, forward) in [("+0", 0, 0), ("-1h", 1, 0), ("-1d", 2, 0), ("+0", 2, 1), ("+1h", 2, 2)] {
        set(&file, offset);
        for _ in 0..3 {
            assert_eq!(service.count("clock_total", 10).await.0, 204, "{offset}");
            sent += 10;
            assert_eq!(service.value("sum(clock_total)").await, f64::from(sent), "{offset}");
        }
        wait_for_steps(&service, back, forward).await;
        let (status, report) = service.readiness().await;
        assert_eq!(status, 200, "{report}");
        assert!(report.to_string().contains("clock"), "{report}");
        assert_eq!(service.value("sum(clock_total)").await, f64::from(sent), "{offset}");
        assert_eq!(service.value("plimsoll_series_late_total").await, 0.0, "{offset}");
    }
    assert!(service.log().contains("the wall clock was set back"), "{}", service.log());
    // Set back by a day while it is down.
    service.kill();
    set(&file, "-1d");
    service.restart().await;
    assert_eq!(service.value("sum(clock_total)").await, f64::from(sent));
    assert_eq!(service.count("clock_total", 5).await.0, 204);
    assert_eq!(service.value("sum(clock_total)").await, f64::from(sent + 5));
    let (status, report) = service.readiness().await;
    assert!(status == 200 && report.to_string().contains("behind our time"), "{report}");
}
