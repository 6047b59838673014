//! The one seam to the clock. Only the outermost loops hold one; everything that decides takes `now`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::time::Timestamp;

/// A future that borrows what it was made from.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A clock that tells the time and can be waited on.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, UTC. May jump, in both directions.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin that never goes back; for measuring how long something took.
    fn monotonic(&self) -> Duration;

    /// Returns when `duration` has passed on the monotonic clock. Dropping the future cancels the wait.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// How clocks are handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_millis(since_epoch.map_or(0, super::time::millis))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Duration {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        ORIGIN.get_or_init(std::time::Instant::now).elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when told to: a thirty-minute escalation takes microseconds in a test.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<Mutex<ManualState>>,
    moved: watch::Sender<()>,
}

#[derive(Debug)]
struct ManualState {
    now: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        let state = ManualState { now, monotonic: Duration::ZERO };
        Self { state: Arc::new(Mutex::new(state)), moved: watch::channel(()).0 }
    }

    /// Moves both clocks forward and wakes whoever's time has come.
    pub fn advance(&self, by: Duration) {
        {
            let mut state = self.state.lock();
            state.now = state.now + by;
            state.monotonic += by;
        }
        self.moved.send_replace(());
    }

    /// Sets the wall clock alone, as an administrator or NTP would; waits are not affected.
    pub fn set_wall(&self, now: Timestamp) {
        self.state.lock().now = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        let mut moved = self.moved.subscribe();
        let due = self.monotonic() + duration;
        Box::pin(async move {
            while self.monotonic() < due {
                if moved.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_exactly_when_due() {
        let clock = ManualClock::at(Timestamp::from_secs(0));
        let sleeper = clock.sleep(Duration::from_secs(10));
        tokio::pin!(sleeper);
        assert!(futures::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(9));
        assert!(futures::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(futures::poll!(&mut sleeper).is_ready());
    }
}
