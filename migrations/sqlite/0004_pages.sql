-- Pages: the closed data of a group of series over a window of time, described in src/series/page.rs. They take
-- the place of the table `chunks`, whose rows are converted at the first start and which stays empty.
-- tier: 0 is 10 s, 1 is 5 min, 2 is 1 h. Slots are 10 s, counted from the Unix epoch.
CREATE TABLE pages (
    grp        INTEGER NOT NULL,
    tier       INTEGER NOT NULL,
    first_slot INTEGER NOT NULL,
    slots      INTEGER NOT NULL,
    head       BLOB    NOT NULL,
    body       BLOB    NOT NULL,
    PRIMARY KEY (grp, tier, first_slot)
) STRICT;
-- What is to be merged, and what is to be removed.
CREATE INDEX pages_age ON pages (tier, slots, first_slot, grp);

-- Per tier: pages that end at or before this slot have been removed.
CREATE TABLE horizons (
    tier INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL
) STRICT;

-- The group; 0 until the next start gives it one. `retired` is 0 while a series lives, then the slot after which
-- it left memory (1 in rows of version 0.1, which did not say).
ALTER TABLE series ADD COLUMN grp INTEGER NOT NULL DEFAULT 0;
-- Labels as pairs of length-prefixed strings; rows of version 0.1 have JSON in `labels` instead.
ALTER TABLE series ADD COLUMN packed BLOB;

-- The last slot that is in pages.
ALTER TABLE archive_state ADD COLUMN paged INTEGER;
