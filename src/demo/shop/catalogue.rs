//! The shop's database: a SQLite file with some thousand products, and the orders.

use std::path::Path;

use serde::Serialize;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

/// How many products there are.
pub const PRODUCTS: i64 = 5_000;

/// One product.
#[derive(Debug, Clone, Serialize)]
pub struct Product {
    /// 1 to [`PRODUCTS`].
    pub id: i64,
    /// What it is.
    pub name: String,
    /// In cents.
    pub price_cents: i64,
}

type Row = (i64, String, i64);

impl From<Row> for Product {
    fn from((id, name, price_cents): Row) -> Self {
        Self { id, name, price_cents }
    }
}

/// The shop's database could not be made or asked.
#[derive(Debug, thiserror::Error)]
#[error("the shop's database failed")]
pub struct CatalogueError(#[from] sqlx::Error);

/// The shop's database.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pool: SqlitePool,
}

const CREATE: &str = "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL); \
    CREATE TABLE orders (id INTEGER PRIMARY KEY, product INTEGER NOT NULL, placed_ms INTEGER NOT NULL)";
const FILL: &str = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1) \
    INSERT INTO products SELECT id, 'Deck shoe no. ' || id, 1900 + (id * 37) % 12000 FROM n";

/// The statements that the shop runs.
pub(super) mod statements {
    /// One page of products.
    pub(crate) const LIST: &str = "SELECT id, name, price_cents FROM products WHERE id > ?1 ORDER BY id LIMIT 24";
    /// One product.
    pub(crate) const DETAIL: &str = "SELECT id, name, price_cents FROM products WHERE id = ?1";
    /// A search that has to read every row.
    pub(crate) const SEARCH: &str = "SELECT id, name, price_cents FROM products WHERE name LIKE ?1 LIMIT 24";
    /// A new order.
    pub(crate) const ORDER: &str = "INSERT INTO orders (product, placed_ms) VALUES (?1, ?2)";
}

impl Catalogue {
    /// Makes and fills the database in this folder.
    pub async fn create(folder: &Path) -> Result<Self, CatalogueError> {
        let options = SqliteConnectOptions::new().filename(folder.join("shop.db")).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        sqlx::raw_sql(CREATE).execute(&pool).await?;
        sqlx::query(FILL).bind(PRODUCTS).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// The products after this id.
    pub async fn list(&self, after: i64) -> Result<Vec<Product>, CatalogueError> {
        let rows: Vec<Row> = sqlx::query_as(statements::LIST).bind(after).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Product::from).collect())
    }

    /// One product.
    pub async fn detail(&self, id: i64) -> Result<Option<Product>, CatalogueError> {
        let row: Option<Row> = sqlx::query_as(statements::DETAIL).bind(id).fetch_optional(&self.pool).await?;
        Ok(row.map(Product::from))
    }

    /// The products whose name contains `text`.
    pub async fn search(&self, text: &str) -> Result<Vec<Product>, CatalogueError> {
        let pattern = format!("%{text}%");
        let rows: Vec<Row> = sqlx::query_as(statements::SEARCH).bind(pattern).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Product::from).collect())
    }

    /// Stores an order.
    pub async fn order(&self, product: i64, placed_ms: i64) -> Result<(), CatalogueError> {
        sqlx::query(statements::ORDER).bind(product).bind(placed_ms).execute(&self.pool).await?;
        Ok(())
    }
}
