//! Random numbers that are the same in every run, so that every peer gets the same data.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A source of chance.
pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A duration in seconds: log-normal around `median`, with a spread of `sigma` on the natural logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// How many events come when `mean` are expected (Knuth's method; for means below some hundreds).
    pub(crate) fn poisson(&mut self, mean: f64) -> usize {
        let limit = (-mean).exp();
        let mut product: f64 = self.0.random();
        let mut events = 0;
        while product > limit {
            product *= self.0.random::<f64>();
            events += 1;
        }
        events
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.0.random(), self.0.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}
