//! Redis and PostgreSQL, real ones.
