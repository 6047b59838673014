//! Customers without a browser: requests over real sockets at a steady rate.

use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::SharedClock;
use crate::egress::EgressError;

use super::http::Http;
use super::shop::PRODUCTS;

/// How many customers shop at the same time.
const CUSTOMERS: u32 = 16;
/// How long one of them looks at an answer, on average.
const THINKS: Duration = Duration::from_millis(350);

/// The customers.
pub struct Load {
    /// The shop's base URL.
    pub shop: String,
    /// How they reach it.
    pub http: Http,
    /// What they wait on.
    pub clock: SharedClock,
}

impl Load {
    /// Shops until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut customers = JoinSet::new();
        for _ in 0..CUSTOMERS {
            let (shop, http, clock) = (self.shop.clone(), self.http.clone(), self.clock.clone());
            customers.spawn(async move {
                loop {
                    let thinks = THINKS.mul_f64(rand::rng().random_range(0.0..2.0));
                    clock.sleep(thinks).await;
                    // An answer of 5xx or none at all is the shop's trouble, and what is being shown.
                    let _answer = request(&http, &shop).await;
                }
            });
        }
        stop.cancelled().await;
    }
}

/// Mostly looking, sometimes searching, now and then buying.
async fn request(http: &Http, shop: &str) -> Result<(), EgressError> {
    let (what, id) = {
        let mut rng = rand::rng();
        // A few products are looked at most: the cache has something to hit.
        let popular: f64 = rng.random_range(0.0f64..1.0).powi(4);
        (rng.random_range(0..100), (popular * (PRODUCTS - 1) as f64) as i64 + 1)
    };
    match what {
        0..30 => http.get(&format!("{shop}/api/products?after={}", id / 24 * 24)).await?,
        30..75 => http.get(&format!("{shop}/api/products/{id}")).await?,
        75..90 => http.get(&format!("{shop}/api/search?q={id}")).await?,
        _ => http.post(&format!("{shop}/api/orders"), "text/plain", id.to_string()).await?,
    };
    Ok(())
}
