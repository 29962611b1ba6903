-- Format 3 of a sprag database. docs/design.md tells the story; this is the law.
-- Every writer keeps it, this package, another language and the sqlite3 shell alike.
-- Times are unix seconds, by default from julianday: many a sqlite3 is older than
-- unixepoch('subsec'). Another program enqueues with
--     INSERT INTO job (queue, item) VALUES ('thumbnails', '{"path": "a.jpg"}');

-- Processes that run jobs. Each holds an exclusive lock on the file <database>-sprag/<token>.lock
-- for as long as it lives; ids are never used again.
CREATE TABLE owner (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    token       TEXT NOT NULL UNIQUE,
    pid         INTEGER NOT NULL,
    host        TEXT NOT NULL,
    started_at  REAL NOT NULL,
    workers     TEXT NOT NULL DEFAULT '{}'                 -- how many of each queue: {"mail": 4}
                CHECK (json_valid(workers) AND json_type(workers) = 'object')
) STRICT;

-- One row a job: the fold of its transitions. A move sets status and event together, and
-- what the event implies; anything else is refused below.
CREATE TABLE job (
    key          INTEGER PRIMARY KEY,                      -- order of acceptance; never leaves the file
    id           TEXT NOT NULL UNIQUE                      -- public: time, then 76 random bits
                 DEFAULT (printf('%013x', (julianday('now') - 2440587.5) * 86400000000)
                          || substr(lower(hex(randomblob(10))), 1, 19))
                 CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    queue        TEXT NOT NULL CHECK (queue <> ''),
    status       TEXT NOT NULL DEFAULT 'queued'
                 CHECK (status IN ('queued', 'running', 'cancelling',
                                   'completed', 'failed', 'cancelled')),
    event        TEXT NOT NULL DEFAULT 'enqueue',          -- the latest one; see transition.event
    priority     INTEGER NOT NULL DEFAULT 0,               -- higher starts first
    waiting      INTEGER NOT NULL DEFAULT 0                -- 1: not before due_at
                 CHECK (waiting IN (0, 1)),
    attempt      INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts INTEGER NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
    crashes      INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    max_crashes  INTEGER NOT NULL DEFAULT 3 CHECK (max_crashes >= 1),
    starts       INTEGER NOT NULL DEFAULT 0,               -- with owner, the fence against stale workers
    owner        INTEGER,
    created_at   REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400),
    due_at       REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400),
    started_at   REAL,
    moved_at     REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400),
    label        TEXT,
    audience     TEXT,                                     -- who may see it, where that is asked
    -- Older versions of SQLite say that NULL is not valid JSON.
    backoff      TEXT CHECK (backoff IS NULL OR json_valid(backoff)),  -- NULL: the queue's own
    error        TEXT CHECK (error IS NULL OR json_valid(error)),      -- of the latest move, if that failed
    result       TEXT CHECK (result IS NULL OR json_valid(result)),
    item         TEXT NOT NULL CHECK (json_valid(item)),
    CONSTRAINT owned_while_running CHECK ((owner IS NOT NULL) = (status IN ('running', 'cancelling'))),
    CONSTRAINT result_when_completed CHECK ((result IS NOT NULL) = (status = 'completed'))
) STRICT;

-- The claim, the promotion of waiting jobs, and lists and counts by status.
CREATE INDEX job_ready ON job (queue, priority DESC, key) WHERE status = 'queued' AND waiting = 0;
CREATE INDEX job_waiting ON job (queue, due_at) WHERE status = 'queued' AND waiting = 1;
CREATE INDEX job_by_status ON job (queue, status, key);
CREATE INDEX job_by_audience ON job (audience, key) WHERE audience IS NOT NULL;

-- The journal: append-only. seq has no gaps, except for pruned jobs, whose rows are counted below.
CREATE TABLE transition (
    seq          INTEGER PRIMARY KEY,
    job          INTEGER NOT NULL,                         -- job.key
    event        TEXT NOT NULL,
    from_status  TEXT,
    to_status    TEXT NOT NULL,
    attempt      INTEGER NOT NULL,                         -- the one the event belongs to
    owner        INTEGER,                                  -- who runs it, or ran it until now
    at           REAL NOT NULL,
    due_at       REAL,                                     -- when it may start, if it is queued now
    error        TEXT
) STRICT;

CREATE INDEX transition_by_job ON transition (job);

-- How far running jobs are; not a transition. `tick` grows with every store, so that a reader
-- finds what is new; `seq` says where in the journal's order it belongs.
CREATE TABLE progress (
    job      INTEGER PRIMARY KEY,                          -- job.key
    starts   INTEGER NOT NULL,                             -- of the run that reported it
    current  ANY,
    total    ANY,
    percent  ANY,
    message  TEXT,
    seq      INTEGER NOT NULL,
    tick     INTEGER NOT NULL
) STRICT;

CREATE INDEX progress_by_tick ON progress (tick);

-- What else is told to an audience, such as how a deferred action ended. Kept for an hour.
CREATE TABLE notice (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    audience  TEXT NOT NULL,
    signal    TEXT NOT NULL,
    data      TEXT NOT NULL CHECK (json_valid(data)),
    at        REAL NOT NULL
) STRICT;

-- Counters of the file: transitions that were pruned, progress ticks. One row.
CREATE TABLE counter (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    pruned  INTEGER NOT NULL DEFAULT 0,
    tick    INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO counter (one) VALUES (1);

-- The names of all queues with a job, found with one step of job_by_status each.
CREATE VIEW queue_name (name) AS
    WITH RECURSIVE found (name) AS (
        SELECT min(queue) FROM job
        UNION ALL
        SELECT (SELECT min(queue) FROM job WHERE queue > found.name) FROM found
        WHERE found.name IS NOT NULL
    )
    SELECT name FROM found WHERE name IS NOT NULL;

-- The table of moves. A row of the journal must also continue the job's previous one, and agree
-- with the job. It is not a CHECK, because INSERT OR IGNORE INTO job would then only leave out the
-- row. IS NOT TRUE, because the comparisons are NULL if there is no from_status.
CREATE TRIGGER legal_move BEFORE INSERT ON transition
WHEN (CASE NEW.event
    WHEN 'enqueue'  THEN NEW.from_status IS NULL                      AND NEW.to_status = 'queued'
    WHEN 'start'    THEN NEW.from_status = 'queued'                   AND NEW.to_status = 'running'
    WHEN 'cancel'   THEN NEW.from_status = 'queued'                   AND NEW.to_status = 'cancelled'
                      OR NEW.from_status = 'running'                  AND NEW.to_status = 'cancelling'
    WHEN 'complete' THEN NEW.from_status IN ('running', 'cancelling') AND NEW.to_status = 'completed'
    WHEN 'fail'     THEN NEW.from_status IN ('running', 'cancelling') AND NEW.to_status = 'failed'
    WHEN 'retry'    THEN NEW.from_status = 'running'                  AND NEW.to_status = 'queued'
    WHEN 'release'  THEN NEW.from_status = 'running'                  AND NEW.to_status = 'queued'
    WHEN 'recover'  THEN NEW.from_status = 'running'                  AND NEW.to_status = 'queued'
    WHEN 'lose'     THEN NEW.from_status = 'running'                  AND NEW.to_status = 'failed'
    WHEN 'confirm'  THEN NEW.from_status = 'cancelling'               AND NEW.to_status = 'cancelled'
    WHEN 'requeue'  THEN NEW.from_status IN ('failed', 'cancelled')   AND NEW.to_status = 'queued'
    ELSE 0 END) IS NOT TRUE
  OR NEW.from_status IS NOT (SELECT to_status FROM transition WHERE job = NEW.job
                             ORDER BY seq DESC LIMIT 1)
  OR NOT EXISTS (SELECT 1 FROM job
                 WHERE key = NEW.job AND status = NEW.to_status AND event = NEW.event)
BEGIN
    SELECT RAISE(ABORT, 'legal_move: not a move that this job can make');
END;

-- Every move leaves its row, whichever program writes.
CREATE TRIGGER job_enqueued AFTER INSERT ON job
BEGIN
    INSERT INTO transition (job, event, from_status, to_status, attempt, owner, at, due_at, error)
    VALUES (NEW.key, NEW.event, NULL, NEW.status, NEW.attempt, NEW.owner, NEW.moved_at, NEW.due_at,
            NEW.error);
END;

CREATE TRIGGER job_moved AFTER UPDATE OF status, event, attempt, starts, crashes, owner, error, result
ON job
BEGIN
    INSERT INTO transition (job, event, from_status, to_status, attempt, owner, at, due_at, error)
    VALUES (NEW.key, NEW.event, OLD.status, NEW.status,
            iif(NEW.event = 'start', NEW.attempt, OLD.attempt),
            coalesce(NEW.owner, OLD.owner), NEW.moved_at,
            iif(NEW.status = 'queued', NEW.due_at, NULL), NEW.error);
END;

-- The counts follow from the event, and a job changes hands only by way of the queue.
CREATE TRIGGER job_counts BEFORE UPDATE OF status, event, attempt, starts, crashes, owner ON job
WHEN NEW.attempt <> CASE NEW.event WHEN 'start' THEN OLD.attempt + 1
                                   WHEN 'release' THEN OLD.attempt - 1
                                   WHEN 'requeue' THEN 0
                                   ELSE OLD.attempt END
  OR NEW.starts <> OLD.starts + (NEW.event = 'start')
  OR NEW.crashes <> CASE NEW.event WHEN 'recover' THEN OLD.crashes + 1
                                   WHEN 'lose' THEN OLD.crashes + 1
                                   WHEN 'requeue' THEN 0
                                   ELSE OLD.crashes END
  OR NEW.owner <> OLD.owner
BEGIN
    SELECT RAISE(ABORT, 'attempt, starts, crashes and owner follow from the event');
END;

CREATE TRIGGER job_identity BEFORE UPDATE OF key, id, queue, item, created_at, audience ON job
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its id, queue, item, audience and time of creation');
END;

-- Under its other names, which an "UPDATE OF key" does not see.
CREATE TRIGGER job_key BEFORE UPDATE ON job WHEN NEW.key <> OLD.key
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its key');
END;

CREATE TRIGGER job_begins BEFORE INSERT ON job
WHEN NEW.attempt <> 0 OR NEW.starts <> 0 OR NEW.crashes <> 0
BEGIN
    SELECT RAISE(ABORT, 'a new job has no attempts');
END;

-- Only finished jobs are pruned, with their transitions and progress.
CREATE TRIGGER job_kept BEFORE DELETE ON job
WHEN OLD.status NOT IN ('completed', 'failed', 'cancelled')
BEGIN
    SELECT RAISE(ABORT, 'only a completed, failed or cancelled job can be deleted');
END;

CREATE TRIGGER job_pruned AFTER DELETE ON job
BEGIN
    UPDATE counter SET pruned = pruned + (SELECT count(*) FROM transition WHERE job = OLD.key);
    DELETE FROM transition WHERE job = OLD.key;
    DELETE FROM progress WHERE job = OLD.key;
END;

CREATE TRIGGER transition_fixed BEFORE UPDATE ON transition
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- The newest row stays, because the next seq is counted from it.
CREATE TRIGGER transition_kept BEFORE DELETE ON transition
WHEN EXISTS (SELECT 1 FROM job WHERE key = OLD.job)
  OR OLD.seq = (SELECT max(seq) FROM transition)
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only: prune finished jobs instead');
END;
