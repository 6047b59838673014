//! A connection, its limits, and what this server has.

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection, Error, Executor, Row, SqlStr};

use super::queries::{EXTENSION, Query, STATEMENTS};
use crate::collect::PostgresTarget;
use crate::collect::error::CollectError;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Set on the server, where they hold even when we are gone: a statement that waits for a lock gives up
/// after 2 s, every statement after 4 s. Nothing can be written.
const LIMITS: [(&str, &str); 6] = [
    ("statement_timeout", "4s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("default_transaction_read_only", "on"),
    ("jit", "off"),
    ("intervalstyle", "postgres"),
];

/// The same, for poolers that refuse settings when connecting.
const SET_LIMITS: &str = "SET statement_timeout = '4s'; SET lock_timeout = '2s';
    SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_read_only = on;
    SET jit = off; SET intervalstyle = 'postgres'";

/// An open connection.
pub(super) struct Session {
    connection: PgConnection,
    /// `server_version_num`.
    pub(super) version: u32,
    /// The statement for `pg_stat_statements`, where the extension is there.
    statements: Option<String>,
}

impl Session {
    /// Connects, sets the limits and looks what there is.
    pub(super) async fn open(target: &PostgresTarget) -> Result<Self, CollectError> {
        let options = PgConnectOptions::from_str(target.url.expose()).map_err(|error| CollectError::Address {
            target: target.name.clone(),
            // The parser's message may repeat the address, and with it the password.
            source: match error {
                Error::Configuration(_) => "expected postgres://user:password@host:5432/database".into(),
                other => other.into(),
            },
        })?;
        let options = options.application_name("plimsoll").statement_cache_capacity(32);
        let mut connection = connect(&options).await?;
        let version = sqlx::query_scalar("SELECT current_setting('server_version_num')::int");
        let version: i32 = version.fetch_one(&mut connection).await.map_err(|e| classify(e, CollectError::Lost))?;
        let extension = sqlx::query(EXTENSION).fetch_optional(&mut connection).await;
        let extension = extension.map_err(|e| classify(e, CollectError::Lost))?;
        let statements = extension.and_then(|row| {
            let (schema, time): (String, String) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
            Some(STATEMENTS.replace("{schema}", &schema).replace("{time}", &time))
        });
        Ok(Self { connection, version: u32::try_from(version).unwrap_or(0), statements })
    }

    /// The statement for a view; `None` when this server does not have it.
    pub(super) fn sql(&self, query: &Query) -> Option<SqlStr> {
        use sqlx::SqlSafeStr;
        if self.version < query.since {
            return None;
        }
        if query.view == "pg_stat_statements" {
            // The only parts that are not ours are names from the server's own catalogue, quoted by it.
            return self.statements.clone().map(|sql| AssertSqlSafe(sql).into_sql_str());
        }
        Some(query.sql.into_sql_str())
    }

    /// The rows of a statement whose only column is a JSON object.
    pub(super) async fn rows(&mut self, sql: SqlStr) -> Result<Vec<Map<String, Value>>, CollectError> {
        let rows = sqlx::query_scalar::<_, Json<Map<String, Value>>>(sql).fetch_all(&mut self.connection).await;
        Ok(rows.map_err(|e| classify(e, CollectError::Lost))?.into_iter().map(|Json(row)| row).collect())
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, CollectError> {
    let with_limits = options.clone().options(LIMITS);
    match within(PgConnection::connect_with(&with_limits)).await {
        Err(Error::Database(error)) if error.code().as_deref() == Some("08P01") => {
            let mut connection = within(PgConnection::connect_with(options)).await;
            if let Ok(connection) = &mut connection {
                connection.execute(SET_LIMITS).await.map_err(|e| classify(e, CollectError::Lost))?;
            }
            connection
        }
        other => other,
    }
    .map_err(|error| classify(error, CollectError::Connect))
}

async fn within<T>(connect: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(CONNECT, connect).await {
        Ok(result) => result,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Sorts an error into its class by SQLSTATE; `broken` is for what the connection itself did.
fn classify(error: Error, broken: fn(Box<dyn std::error::Error + Send + Sync>) -> CollectError) -> CollectError {
    match &error {
        Error::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => CollectError::Timeout(CONNECT),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => broken(error.into()),
        Error::Database(cause) => match cause.code().as_deref().unwrap_or_default() {
            "28000" | "28P01" => CollectError::Login(error.into()),
            // Not allowed; not supported here (a managed service); not there.
            "42501" | "0A000" | "42P01" | "42883" => CollectError::Permission(error.into()),
            // Too many connections; starting up; waited too long for a lock; took too long.
            "53300" | "57P03" | "55P03" | "57014" => CollectError::Busy(error.into()),
            "57P01" | "57P02" | "08006" | "08003" => broken(error.into()),
            _ => CollectError::Server(error.into()),
        },
        _ => CollectError::Answer(error.into()),
    }
}
