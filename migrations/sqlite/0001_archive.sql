-- Series, ticks and chunks. Slots are 10 s and blocks 2 h, both counted from the Unix epoch; other times are
-- Unix milliseconds, UTC. What the blobs hold is described in src/series/tick.rs and src/series/chunk.rs.

-- One row: which archive this is, the last closed slot, the journal entry it was closed after, and the last
-- block that was compacted.
CREATE TABLE archive_state (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    identity  TEXT    NOT NULL,
    through   INTEGER,
    entry     INTEGER NOT NULL DEFAULT 0,
    compacted INTEGER
) STRICT;

-- kind: 0 counter, 1 histogram, 2 samples. Ids are never used again.
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    labels  TEXT    NOT NULL,
    kind    INTEGER NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What closed and is not compacted yet.
CREATE TABLE ticks (
    through INTEGER PRIMARY KEY,
    data    BLOB    NOT NULL
) STRICT;

-- Slots in which the process lived, first and last inclusive.
CREATE TABLE lived (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
) STRICT;
CREATE INDEX lived_last ON lived (last);

-- tier: 0 is 10 s, 1 is 5 min, 2 is 1 h.
CREATE TABLE chunks (
    series INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    tier   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    PRIMARY KEY (series, block, tier)
) STRICT;
CREATE INDEX chunks_age ON chunks (tier, block);

-- Web vitals: pending with a state, or settled with a time.
CREATE TABLE vitals (
    site       TEXT NOT NULL,
    id         TEXT NOT NULL,
    metric     TEXT NOT NULL,
    state      BLOB,
    settled_at INTEGER,
    PRIMARY KEY (site, id, metric)
) STRICT;
CREATE INDEX vitals_settled ON vitals (settled_at) WHERE settled_at IS NOT NULL;
