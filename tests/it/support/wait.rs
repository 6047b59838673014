//! The one sanctioned wait: for a level, with a limit, and with the last status in the failure.

use std::time::Duration;

/// Polls until `probe` answers `Ok`; panics with its last `Err` after `limit`.
#[expect(clippy::disallowed_methods, reason = "the one place where tests wait for real processes")]
pub async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> F,
) -> T {
    let start = std::time::Instant::now();
    loop {
        let last = match probe().await {
            Ok(value) => return value,
            Err(status) => status,
        };
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}; last seen: {last}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
