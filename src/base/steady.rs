//! The wall clock as the service uses it: it never goes back, and what a step of it would do is known.
//!
//! An administrator, NTP or a resumed machine may set the wall clock. Everything that is stored is stamped with
//! it, so a service that followed every step would close slots twice, see rates below zero, and page twice or
//! not at all. Steps are seen by comparing the wall clock with the monotonic one:
//! - **Set back**: our time does not follow; it goes on at its pace, ahead of the wall clock by the step (its
//!   lead), and is then slowed by [`SLEW`], one part in twenty, until both agree: an hour takes twenty hours,
//!   in which a rate reads about five per cent too high and ratios are exact. Whoever writes after a start into
//!   a store that knows a later time than the wall clock says begins with a lead too.
//! - **Set forward**: what is left of a lead is taken off first; beyond that our time follows at once, since no
//!   one can tell a clock that was behind from one that now runs ahead. The time between is a gap, as if the
//!   service had been down. [`Jumps`] tells those who hold deadlines, so that they move them, and
//!   [`DeletionGuard`] keeps what a wrong clock would call old.
//!
//! A suspended machine counts as set forward: the portable monotonic clock stands still meanwhile.

use std::time::Duration;

use parking_lot::Mutex;

use super::clock::{BoxFuture, Clock, SharedClock};
use super::time::{Timestamp, millis};

/// Smaller differences between the two clocks are jitter and slewing.
const STEP: Duration = Duration::from_secs(2);
/// A lead melts by one part in so many of the time that passes.
pub const SLEW: u32 = 20;
/// A difference from which on nothing is deleted for [`HOLD`].
const SUSPICIOUS: Duration = Duration::from_secs(3600);
/// How long a clock must run without suspicion before what it calls old is deleted.
const HOLD: Duration = Duration::from_secs(24 * 3600);

/// A step of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Our time when it was seen.
    pub at: Timestamp,
    /// By how many milliseconds; below zero when it was set back.
    pub by_millis: i64,
}

/// What is known of the wall clock's steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// How often it was set back.
    pub back: u64,
    /// How often it was set forward.
    pub forward: u64,
    /// The last one.
    pub last: Option<Step>,
    /// By how much our time is ahead of the wall clock.
    pub lead: Duration,
}

/// See the module.
pub struct SteadyClock {
    inner: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    wall: Timestamp,
    monotonic: Duration,
    shown: Timestamp,
    steps: Steps,
}

impl SteadyClock {
    /// A clock that agrees with `inner` now.
    pub fn new(inner: SharedClock) -> Self {
        let (wall, monotonic) = (inner.now(), inner.monotonic());
        let state = State { wall, monotonic, shown: wall, steps: Steps::default() };
        Self { inner, state: Mutex::new(state) }
    }

    /// From now on it shows nothing before `at`, up to which something is stored.
    pub fn not_before(&self, at: Timestamp) {
        let ahead = at.since(self.now());
        if ahead > Duration::ZERO {
            tracing::warn!(
                stored_until = %at,
                ?ahead,
                "the wall clock is behind what is stored; our time runs ahead of it and is slowed until both agree"
            );
            let mut state = self.state.lock();
            state.steps.lead += ahead;
            state.shown = state.shown.max(at);
        }
    }

    /// What was seen so far.
    pub fn steps(&self) -> Steps {
        let _seen = self.now();
        self.state.lock().steps
    }
}

impl State {
    fn show(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let passed = monotonic.saturating_sub(self.monotonic);
        let step = (wall.as_millis() - self.wall.as_millis()).saturating_sub(millis(passed));
        (self.wall, self.monotonic) = (wall, monotonic);
        self.steps.lead = self.steps.lead.saturating_sub(passed / SLEW);
        if step.unsigned_abs() > STEP.as_millis() as u64 {
            self.stepped(step);
        }
        self.shown = self.shown.max(wall + self.steps.lead);
        self.shown
    }

    fn stepped(&mut self, step: i64) {
        let by = Duration::from_millis(step.unsigned_abs());
        let steps = &mut self.steps;
        match step < 0 {
            true => (steps.back, steps.lead) = (steps.back + 1, steps.lead + by),
            false => (steps.forward, steps.lead) = (steps.forward + 1, steps.lead.saturating_sub(by)),
        }
        steps.last = Some(Step { at: self.shown, by_millis: step });
        match step < 0 {
            true => tracing::warn!(?by, "the wall clock was set back; our time goes on and is slowed until both agree"),
            false => tracing::warn!(?by, "the wall clock was set forward; the time between is a gap, timers are moved"),
        }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let mut state = self.state.lock();
        state.show(self.inner.now(), self.inner.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.inner.sleep(duration)
    }
}

/// Sees jumps of a clock's time ahead of what passed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jumps {
    last: Option<(Timestamp, Duration)>,
}

impl Jumps {
    /// By how much the time jumped ahead since the last call; `None` when it did not. The first call only looks.
    pub fn seen(&mut self, now: Timestamp, monotonic: Duration) -> Option<Duration> {
        let (before, then) = self.last.replace((now, monotonic))?;
        let jump = now.since(before).saturating_sub(monotonic.saturating_sub(then));
        (jump > STEP).then_some(jump)
    }
}

/// Whether what a clock calls old may be deleted: not for a day after a jump of an hour or more, and not for a
/// day after a start that finds the last news that old. A clock that is wrong by a year deletes nothing; a
/// service that was down for long deletes a day later.
#[derive(Debug, Clone, Copy)]
pub struct DeletionGuard {
    jumps: Jumps,
    /// The last news before the start, until the first look.
    newest: Option<Timestamp>,
    held_until: Duration,
}

impl DeletionGuard {
    /// A guard at a start; `newest`: up to when something is stored.
    pub fn new(newest: Option<Timestamp>) -> Self {
        Self { jumps: Jumps::default(), newest, held_until: Duration::ZERO }
    }

    /// Whether deleting is safe now.
    pub fn allows(&mut self, now: Timestamp, monotonic: Duration) -> bool {
        let since_start = self.newest.take().map(|newest| now.since(newest));
        let jump = self.jumps.seen(now, monotonic).max(since_start).unwrap_or_default();
        if jump > SUSPICIOUS {
            tracing::warn!(?jump, "the time jumped ahead: nothing is deleted for a day, in case the clock is wrong");
            self.held_until = monotonic + HOLD;
        }
        monotonic >= self.held_until
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::base::ManualClock;

    const START: Timestamp = Timestamp::from_secs(1_763_640_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn clocks() -> (ManualClock, SteadyClock) {
        let manual = ManualClock::at(START);
        let steady = SteadyClock::new(Arc::new(manual.clone()));
        (manual, steady)
    }

    #[test]
    fn set_back_it_goes_on_and_comes_to_agree_in_twenty_times_the_step() {
        let (manual, steady) = clocks();
        manual.advance(HOUR);
        assert_eq!(steady.now(), manual.now());
        manual.set_wall(START);
        assert_eq!(steady.now(), START + HOUR);
        manual.advance(HOUR);
        assert_eq!(steady.now(), START + HOUR + HOUR * 19 / 20);
        assert_eq!(steady.steps().lead, HOUR * 19 / 20);
        manual.advance(HOUR * 19);
        assert_eq!(steady.now(), manual.now());
        let steps = steady.steps();
        assert_eq!((steps.back, steps.forward, steps.lead), (1, 0, Duration::ZERO));
        assert_eq!(steps.last.map(|s| s.by_millis), Some(-millis(HOUR)));
    }

    #[test]
    fn set_back_and_forward_again_nothing_happened() {
        let (manual, steady) = clocks();
        manual.set_wall(START - HOUR * 24);
        assert_eq!(steady.now(), START);
        manual.set_wall(START);
        assert_eq!(steady.now(), START);
        assert_eq!((steady.steps().back, steady.steps().forward), (1, 1));
        // Forward beyond the lead: it follows.
        manual.set_wall(START + HOUR);
        assert_eq!(steady.now(), START + HOUR);
    }

    #[test]
    fn a_store_that_knows_a_later_time_is_not_written_before_it() {
        let (manual, steady) = clocks();
        steady.not_before(START - HOUR);
        assert_eq!(steady.now(), START);
        steady.not_before(START + HOUR);
        assert_eq!(steady.now(), START + HOUR);
        manual.advance(HOUR * 20);
        assert_eq!(steady.now(), manual.now());
    }

    #[test]
    fn deleting_waits_a_day_after_a_jump() {
        let mut guard = DeletionGuard::new(Some(START));
        let day = HOUR * 24;
        assert!(guard.allows(START + HOUR, Duration::ZERO));
        assert!(guard.allows(START + HOUR * 3, HOUR * 2), "time that passed is no jump");
        assert!(!guard.allows(START + day * 365, HOUR * 3));
        assert!(!guard.allows(START + day * 366 - HOUR, HOUR * 3 + day - HOUR));
        assert!(guard.allows(START + day * 366, HOUR * 3 + day));
        let mut after_long_absence = DeletionGuard::new(Some(START));
        assert!(!after_long_absence.allows(START + day * 3, Duration::ZERO));
        assert!(after_long_absence.allows(START + day * 4, day));
    }

    /// Nothing, or more than jitter.
    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![Just(0), 3i64..90_000, -90_000i64..-2]
    }

    proptest! {
        /// Whatever is done to the wall clock: never back, never faster than the time that passes plus the steps
        /// forward, never slower than nineteen parts in twenty, and in the end in agreement.
        #[test]
        fn it_never_goes_back(moves in prop::collection::vec((0u64..5_000, step()), 1..60)) {
            let (manual, steady) = clocks();
            let mut before = steady.now();
            for (seconds, step) in moves {
                manual.advance(Duration::from_secs(seconds));
                let now = steady.now();
                let passed = now.since(before).as_millis() as u64;
                prop_assert!(passed + 1 >= seconds * 950 && passed <= seconds * 1000, "{} of {}", passed, seconds);
                manual.set_wall(Timestamp::from_millis(manual.now().as_millis() + step * 1000));
                let stepped = steady.now();
                prop_assert!(stepped >= now && stepped.since(now).as_millis() as i64 <= step.max(0) * 1000);
                before = stepped;
            }
            manual.advance(steady.steps().lead * SLEW);
            prop_assert_eq!(steady.now(), manual.now());
        }
    }
}
