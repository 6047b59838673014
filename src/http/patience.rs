//! hyper's timer for one connection, which the runtime hears of once in a while and not twice a request.
//!
//! hyper waits for the head of each request with a timeout. Each such wait would enter the runtime's timer
//! wheel and leave it again, under a lock that all threads share. Here one timer of the runtime stays
//! registered for the whole connection: a wait that ends leaves it behind for the next one, and when it rings
//! before the next one is due, it is set anew. So a connection that is never silent for long costs one
//! registration in as long as the timeout is; nobody is cut off earlier or later than without.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;

type Registered = Pin<Box<tokio::time::Sleep>>;

/// See the module. One for each connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    spare: Arc<Mutex<Option<Registered>>>,
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let registered = self.spare.lock().take();
        Box::pin(Wait { deadline: deadline.into(), registered, spare: self.spare.clone() })
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

/// One wait of a connection.
struct Wait {
    deadline: tokio::time::Instant,
    registered: Option<Registered>,
    spare: Arc<Mutex<Option<Registered>>>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let timer = self.registered.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(timer) = self.registered.take() {
            *self.spare.lock() = Some(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn each_wait_ends_when_it_is_due_whatever_came_before() {
        let patience = Patience::default();
        let mut long = patience.sleep(HOUR);
        assert!(futures::poll!(&mut long).is_pending());
        drop(long);
        assert!(patience.spare.lock().is_some(), "it stays registered");
        patience.sleep(Duration::ZERO).await;
        // What is left behind has rung, and the next wait is long.
        let mut long = patience.sleep(HOUR);
        assert!(futures::poll!(&mut long).is_pending());
        assert!(patience.spare.lock().is_none(), "there is one timer");
        drop(long);
        patience.sleep_until(patience.now()).await;
    }
}
