-- Outgoing messages. Put in by the ledger in the transaction of their cause, taken out by the dispatcher.
-- status: pending, sending, sent, dead, cancelled. Times are Unix milliseconds, UTC.
CREATE TABLE outbox (
    id            TEXT    PRIMARY KEY,
    incident      TEXT    NOT NULL,
    channel       TEXT    NOT NULL,
    target        TEXT    NOT NULL DEFAULT '',
    kind          TEXT    NOT NULL,
    ordering_key  TEXT    NOT NULL,
    level         INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    envelope      TEXT    NOT NULL,
    status        TEXT    NOT NULL DEFAULT 'pending',
    attempts      INTEGER NOT NULL DEFAULT 0,
    due_at        INTEGER NOT NULL,
    lease_until   INTEGER,
    provider_id   TEXT,
    error         TEXT,
    created_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    sequence      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_sequence ON outbox (sequence);
CREATE INDEX outbox_order ON outbox (channel, ordering_key, sequence) WHERE status IN ('pending', 'sending');
CREATE INDEX outbox_incident ON outbox (incident);
-- What is due in a channel, and what of it is in the dispatcher's hands: leasing reads a few rows however many wait.
CREATE INDEX outbox_channel ON outbox (channel, due_at, sequence) WHERE status IN ('pending', 'sending');
CREATE INDEX outbox_leased ON outbox (channel, lease_until) WHERE status = 'sending';
