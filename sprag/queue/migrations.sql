-- How a file of an older format becomes one of the next. A block begins with "-- name:", and the
-- format that it makes. docs/design.md tells what each format brought.

-- name: 2
-- Jobs may say who may see them.
ALTER TABLE job ADD COLUMN audience TEXT;
CREATE INDEX job_by_audience ON job (audience, key) WHERE audience IS NOT NULL;
DROP TRIGGER job_identity;
CREATE TRIGGER job_identity BEFORE UPDATE OF key, id, queue, item, created_at, audience ON job
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its id, queue, item, audience and time of creation');
END;
