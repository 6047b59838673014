-- Alert states, incidents, their timelines, the audit trail. Times are Unix milliseconds, UTC; `body` is JSON.
CREATE TABLE alerts (
    objective     TEXT    NOT NULL,
    rule          TEXT    NOT NULL,
    group_labels  TEXT    NOT NULL,
    phase         TEXT    NOT NULL,
    body          TEXT    NOT NULL,
    PRIMARY KEY (objective, rule, group_labels)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id            TEXT    PRIMARY KEY,
    objective     TEXT    NOT NULL,
    group_labels  TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    severity      TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    resolved_at   INTEGER,
    body          TEXT    NOT NULL
) STRICT;
-- One incident at a time for one objective and group.
CREATE UNIQUE INDEX incidents_live ON incidents (objective, group_labels) WHERE state <> 'resolved';
CREATE INDEX incidents_started ON incidents (started_at);
CREATE INDEX incidents_over ON incidents (resolved_at) WHERE state = 'resolved';

CREATE TABLE timeline (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    incident      TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    event         TEXT    NOT NULL,
    text          TEXT    NOT NULL
) STRICT;
CREATE INDEX timeline_incident ON timeline (incident, sequence);

CREATE TABLE audit (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    before        TEXT,
    after         TEXT
) STRICT;
CREATE INDEX audit_at ON audit (at);

-- How far each objective's events are counted, and the increments that were last about to be recorded.
CREATE TABLE measured (
    objective     TEXT    PRIMARY KEY,
    body          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counting (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    body          TEXT    NOT NULL
) STRICT;
