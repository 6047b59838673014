//! What the shop shares with its (imagined) other instances, where the servers are installed: a cache in
//! Redis behind the one in memory, and the order book in PostgreSQL.

use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Answers are kept this long in Redis, in seconds.
const KEEP_SECONDS: u64 = 60;

/// The statement that books an order.
pub(super) const BOOK: &str = "INSERT INTO orders (product, placed_ms) VALUES ($1, $2)";
const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, product BIGINT NOT NULL, placed_ms BIGINT NOT NULL)";

/// The cache in Redis.
#[derive(Clone)]
pub struct SharedCache(MultiplexedConnection);

impl SharedCache {
    /// Connects; the server may not be up yet.
    pub async fn connect(url: &str) -> redis::RedisResult<Self> {
        Ok(Self(redis::Client::open(url)?.get_multiplexed_async_connection().await?))
    }

    /// The answer for a key.
    pub(super) async fn get(&self, key: &str) -> redis::RedisResult<Option<String>> {
        self.0.clone().get(key).await
    }

    /// Keeps an answer.
    pub(super) async fn put(&self, key: &str, answer: &str) -> redis::RedisResult<()> {
        self.0.clone().set_ex(key, answer, KEEP_SECONDS).await
    }

    /// Forgets everything.
    pub(super) async fn clear(&self) -> redis::RedisResult<()> {
        redis::cmd("FLUSHDB").query_async(&mut self.0.clone()).await
    }
}

/// The order book in PostgreSQL.
#[derive(Clone)]
pub struct OrderBook(PgPool);

impl OrderBook {
    /// Connects and makes the table; the server may not be up yet.
    pub async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        let options = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(2));
        let pool = options.connect(url).await?;
        sqlx::query(CREATE).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Books an order.
    pub(super) async fn book(&self, product: i64, placed_ms: i64) -> Result<(), sqlx::Error> {
        sqlx::query(BOOK).bind(product).bind(placed_ms).execute(&self.0).await?;
        Ok(())
    }
}
