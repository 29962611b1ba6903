-- How a file of an older format becomes one of the next. A block begins with "-- name:", and the
-- format that it makes. docs/design.md tells what each format brought.

-- name: 2
-- Jobs may say who may see them, and there are notices.
ALTER TABLE job ADD COLUMN audience TEXT;
CREATE INDEX job_by_audience ON job (audience, key) WHERE audience IS NOT NULL;
CREATE TABLE notice (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    audience  TEXT NOT NULL,
    signal    TEXT NOT NULL,
    data      TEXT NOT NULL CHECK (json_valid(data)),
    at        REAL NOT NULL
) STRICT;
DROP TRIGGER job_identity;
CREATE TRIGGER job_identity BEFORE UPDATE OF key, id, queue, item, created_at, audience ON job
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its id, queue, item, audience and time of creation');
END;

-- name: 3
-- A process says which queues it runs.
ALTER TABLE owner ADD COLUMN workers TEXT NOT NULL DEFAULT '{}'
    CHECK (json_valid(workers) AND json_type(workers) = 'object');
