//! What we go and fetch: Redis, PostgreSQL, and the texts of both when they are pushed.
