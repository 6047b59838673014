-- Series that are retired stay here and leave memory; readers find them by metric and time. Slots are 10 s, counted
-- from the Unix epoch.

-- The metric; NULL in rows of earlier versions until the next start reads it from the labels.
ALTER TABLE series ADD COLUMN metric TEXT;
-- It has nothing before this slot; 0 when that is not known.
ALTER TABLE series ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
-- The last slot in which a retired series may have something; not after `retired`.
ALTER TABLE series ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
UPDATE series SET ended = retired WHERE retired > 0;

CREATE INDEX series_live ON series (id, grp) WHERE retired = 0;
CREATE INDEX series_metric ON series (metric, ended, born) WHERE retired > 0;
CREATE INDEX series_ended ON series (ended, born) WHERE retired > 0;
CREATE INDEX series_group ON series (grp);
CREATE INDEX series_unnamed ON series (id) WHERE metric IS NULL;

-- The greatest ids that series and groups were ever given: what was removed does not give its id back.
ALTER TABLE archive_state ADD COLUMN last_series INTEGER NOT NULL DEFAULT 0;
ALTER TABLE archive_state ADD COLUMN last_group INTEGER NOT NULL DEFAULT 0;
UPDATE archive_state SET
    last_series = (SELECT coalesce(max(id), 0) FROM series),
    last_group = (SELECT coalesce(max(grp), 0) FROM series);
