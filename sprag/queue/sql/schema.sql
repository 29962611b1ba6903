-- Format 4 of a sprag database. docs/design.md tells the story; this is the law.
-- Every writer keeps it, this package, another language and the sqlite3 shell alike.
-- Times are unix seconds, by default from julianday: many a sqlite3 is older than
-- unixepoch('subsec'). Another program enqueues with
--     INSERT INTO job (queue, item) VALUES ('thumbnails', '{"path": "a.jpg"}');
--     INSERT INTO job (queue, task, item) VALUES ('mail', 'welcome', '{"user_id": 7}');
-- and reads what has happened from the view `transition`.

-- Processes that run jobs. Each holds an exclusive lock on the file <database>-sprag/<token>.lock
-- for as long as it lives; ids are never used again.
CREATE TABLE owner (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    token       TEXT NOT NULL UNIQUE,
    pid         INTEGER NOT NULL,
    host        TEXT NOT NULL,
    started_at  REAL NOT NULL,
    workers     TEXT NOT NULL DEFAULT '{}'                 -- how many of each queue: {"mail": 4}
                CHECK (json_valid(workers) AND json_type(workers) = 'object'),
    tasks       TEXT NOT NULL DEFAULT '{}'                 -- those it knows: {"mail": ["welcome"]};
                CHECK (json_valid(tasks) AND json_type(tasks) = 'object')  -- null: handle_item
) STRICT;

-- The table of moves: which event leads from which status to which, and what it does to a job's
-- counts. Nobody changes it but a later format.
CREATE TABLE move (
    id        INTEGER PRIMARY KEY,
    event     TEXT NOT NULL,
    source    TEXT,                                        -- NULL: there was no job
    target    TEXT NOT NULL,
    starts    INTEGER NOT NULL DEFAULT 0,                  -- what is added to each count
    attempts  INTEGER NOT NULL DEFAULT 0,
    crashes   INTEGER NOT NULL DEFAULT 0,
    afresh    INTEGER NOT NULL DEFAULT 0,                  -- 1: attempt and crashes begin at 0 again
    UNIQUE (event, source)
) STRICT;

INSERT INTO move (id, event, source, target, starts, attempts, crashes, afresh) VALUES
    (1,  'enqueue',  NULL,         'queued',     0,  0, 0, 0),
    (2,  'start',    'queued',     'running',    1,  1, 0, 0),
    (3,  'cancel',   'queued',     'cancelled',  0,  0, 0, 0),
    (4,  'cancel',   'running',    'cancelling', 0,  0, 0, 0),
    (5,  'complete', 'running',    'completed',  0,  0, 0, 0),
    (6,  'fail',     'running',    'failed',     0,  0, 0, 0),
    (7,  'retry',    'running',    'queued',     0,  0, 0, 0),
    (8,  'release',  'running',    'queued',     0, -1, 0, 0),
    (9,  'recover',  'running',    'queued',     0,  0, 1, 0),
    (10, 'lose',     'running',    'failed',     0,  0, 1, 0),
    (11, 'confirm',  'cancelling', 'cancelled',  0,  0, 0, 0),
    (12, 'complete', 'cancelling', 'completed',  0,  0, 0, 0),
    (13, 'fail',     'cancelling', 'failed',     0,  0, 0, 0),
    (14, 'requeue',  'failed',     'queued',     0,  0, 0, 1),
    (15, 'requeue',  'cancelled',  'queued',     0,  0, 0, 1);

-- One row a job: the fold of its moves. A move sets status and event together, and what the event
-- implies; anything else is refused below. What is read at every move comes first, what is seldom
-- set after it, and the item last: what lies behind a long item would be read through all of it.
CREATE TABLE job (
    key          INTEGER PRIMARY KEY CHECK (key > 0),      -- order of acceptance; never leaves the file
    newest       INTEGER,                                  -- its newest row of the journal
    status       TEXT NOT NULL DEFAULT 'queued'
                 CHECK (status IN ('queued', 'running', 'cancelling',
                                   'completed', 'failed', 'cancelled')),
    event        TEXT NOT NULL DEFAULT 'enqueue',          -- the latest one; see move
    queue        TEXT NOT NULL CHECK (queue <> ''),
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
    id           TEXT NOT NULL UNIQUE                      -- public: time, then 76 random bits
                 DEFAULT (printf('%013x', (julianday('now') - 2440587.5) * 86400000000)
                          || substr(lower(hex(randomblob(10))), 1, 19))
                 CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    -- Older versions of SQLite say that NULL is not valid JSON.
    backoff      TEXT CHECK (backoff IS NULL OR json_valid(backoff)),  -- NULL: the queue's own
    label        TEXT,
    audience     TEXT,                                     -- who may see it, where that is asked
    task         TEXT CHECK (task <> ''),                  -- NULL: the queue's handle_item
    time_limit   REAL CHECK (time_limit > 0),              -- seconds; NULL: the task's or queue's own
    overdue      INTEGER,                                  -- the run (see starts) that went on past it
    trace        TEXT,                                     -- the enqueuer's span, as a traceparent
    lane         TEXT,                                     -- whose turn it takes, and whose limits hold
    unique_key   TEXT CHECK (unique_key <> ''),            -- held: no other job of the queue has it
    unique_for   TEXT CHECK (unique_for IN ('queued', 'unfinished')),  -- until it leaves that
    unique_until REAL,                                     -- or until then
    error        TEXT CHECK (error IS NULL OR json_valid(error)),      -- of the latest move, if that failed
    result       TEXT CHECK (result IS NULL OR json_valid(result)),
    item         TEXT NOT NULL CHECK (json_valid(item)),
    CONSTRAINT owned_while_running CHECK ((owner IS NOT NULL) = (status IN ('running', 'cancelling'))),
    CONSTRAINT result_when_completed CHECK ((result IS NOT NULL) = (status = 'completed'))
) STRICT;

-- The claim, which takes jobs of the tasks that a process knows and passes over the others; the
-- promotion of waiting jobs; lists and counts of all that cannot be claimed. The key is the last
-- column of every index.
CREATE INDEX job_ready ON job (queue, task, priority DESC) WHERE status = 'queued' AND waiting = 0;
CREATE INDEX job_waiting ON job (queue, due_at) WHERE status = 'queued' AND waiting = 1;
CREATE INDEX job_by_status ON job (queue, status) WHERE status <> 'queued' OR waiting = 1;
CREATE INDEX job_by_audience ON job (audience) WHERE audience IS NOT NULL;
CREATE INDEX job_by_lane ON job (queue, lane, priority DESC)
    WHERE status = 'queued' AND waiting = 0 AND lane IS NOT NULL;
CREATE UNIQUE INDEX job_by_unique_key ON job (queue, unique_key) WHERE unique_key IS NOT NULL;

-- The journal: append-only. seq has no gaps, except for pruned jobs, whose rows are counted below.
-- Each row leads to the job's previous one, and job.newest to the last, so that a job's history is
-- found without an index.
CREATE TABLE journal (
    seq       INTEGER PRIMARY KEY,
    job       INTEGER NOT NULL,                            -- job.key
    previous  INTEGER,                                     -- the job's row before; NULL: its first
    move      INTEGER NOT NULL,                            -- move.id
    attempt   INTEGER NOT NULL,                            -- the one the event belongs to
    owner     INTEGER,                                     -- who runs it, or ran it until now
    at        REAL NOT NULL,
    due_at    REAL,                                        -- when it may start, if it is queued now
    error     TEXT
) STRICT;

-- The journal in words.
CREATE VIEW transition (seq, job, previous, event, from_status, to_status, attempt, owner, at, due_at,
                        error) AS
    SELECT journal.seq, journal.job, journal.previous, move.event, move.source, move.target,
           journal.attempt, journal.owner, journal.at, journal.due_at, journal.error
    FROM journal CROSS JOIN move ON move.id = journal.move;

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

-- Queues whose jobs are not started until the row is gone.
CREATE TABLE pause (
    queue   TEXT PRIMARY KEY CHECK (queue <> ''),
    reason  TEXT,
    at      REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- A queue's schedules, and when each was last due. A slot's job is enqueued with the change of
-- last_slot, which never goes back.
CREATE TABLE schedule (
    queue       TEXT NOT NULL CHECK (queue <> ''),
    name        TEXT NOT NULL CHECK (name <> ''),
    definition  TEXT NOT NULL CHECK (json_valid(definition)),  -- another one starts from now
    item        TEXT NOT NULL CHECK (json_valid(item)),    -- what its jobs get
    options     TEXT NOT NULL CHECK (json_valid(options)), -- what they do not share with all jobs
    owner       INTEGER NOT NULL,                          -- whose definition it is
    last_slot   REAL NOT NULL,                             -- or the time from which it counts
    last_job    TEXT,                                      -- id of the last slot's job
    paused_at   REAL,                                      -- NULL: it is not paused
    reason      TEXT,
    PRIMARY KEY (queue, name)
) STRICT, WITHOUT ROWID;

-- The lanes of a queue that have a rate or take turns.
CREATE TABLE lane (
    queue      TEXT NOT NULL CHECK (queue <> ''),
    name       TEXT NOT NULL,
    turn       INTEGER NOT NULL DEFAULT 0,                 -- the lowest comes next
    rate_until REAL NOT NULL DEFAULT 0,                    -- GCRA's theoretical arrival time
    PRIMARY KEY (queue, name)
) STRICT, WITHOUT ROWID;

-- The names of all queues with a job, found with a step of two indexes for each.
CREATE VIEW queue_name (name) AS
    WITH RECURSIVE found (name) AS (
        SELECT ''
        UNION ALL
        SELECT (SELECT min(next) FROM (
                    SELECT min(queue) AS next FROM job
                    WHERE status = 'queued' AND waiting = 0 AND queue > found.name
                    UNION ALL
                    SELECT min(queue) FROM job
                    WHERE (status <> 'queued' OR waiting = 1) AND queue > found.name))
        FROM found WHERE name IS NOT NULL
    )
    SELECT name FROM found WHERE name <> '';

-- What a row of the journal must be, whichever program writes it: a move from where the job's newest
-- row ends to where the job stands now. As no move ends where it begins, there is one only while the
-- triggers below make it. job.newest may be ahead of a new job's first row, see job_enqueued. It is
-- not a CHECK, because INSERT OR IGNORE INTO job would then only leave out the row. IS NOT TRUE,
-- because the comparisons are NULL where a row is missing.
CREATE TRIGGER legal_move BEFORE INSERT ON journal
WHEN (SELECT job.status = made.target AND made.source IS before.target
      FROM job CROSS JOIN move AS made ON made.id = NEW.move
      LEFT JOIN journal AS last ON last.seq = job.newest
      LEFT JOIN move AS before ON before.id = last.move
      WHERE job.key = NEW.job) IS NOT TRUE
BEGIN
    SELECT RAISE(ABORT, 'legal_move: no such move, or counts and owner do not follow from the event');
END;

-- REPLACE would leave the rows of the job that it removes to the new one.
CREATE TRIGGER job_begins BEFORE INSERT ON job
WHEN NEW.attempt <> 0 OR NEW.starts <> 0 OR NEW.crashes <> 0
  OR (NEW.key > 0 AND EXISTS (SELECT 1 FROM job WHERE key = NEW.key))
BEGIN
    SELECT RAISE(ABORT, 'a new job has no attempts, and a key of its own');
END;

-- Every move leaves its row, whichever program writes. Who inserts many jobs may say which seq each
-- will have: to say it beforehand costs less than to write it afterwards, and a guess that was
-- wrong is put right.
CREATE TRIGGER job_enqueued AFTER INSERT ON job
BEGIN
    INSERT INTO journal (job, move, attempt, owner, at, due_at, error)
    VALUES (NEW.key, (SELECT id FROM move WHERE event = NEW.event AND source IS NULL), NEW.attempt,
            NEW.owner, NEW.moved_at, NEW.due_at, NEW.error);
    UPDATE job SET newest = last_insert_rowid()
    WHERE key = NEW.key AND newest IS NOT last_insert_rowid();
END;

-- The counts follow from the event, and a job changes hands only by way of the queue.
CREATE TRIGGER job_moved AFTER UPDATE OF status, event, attempt, starts, crashes, owner, error, result
ON job
BEGIN
    INSERT INTO journal (job, previous, move, attempt, owner, at, due_at, error)
    VALUES (NEW.key, OLD.newest,
            (SELECT id FROM move
             WHERE event = NEW.event AND source = OLD.status AND target = NEW.status
               AND NEW.starts = OLD.starts + starts
               AND NEW.attempt = iif(afresh, 0, OLD.attempt + attempts)
               AND NEW.crashes = iif(afresh, 0, OLD.crashes + crashes)
               AND (NEW.owner <> OLD.owner) IS NOT TRUE),
            iif(NEW.event = 'start', NEW.attempt, OLD.attempt), coalesce(NEW.owner, OLD.owner), NEW.moved_at,
            iif(NEW.status = 'queued', NEW.due_at, NULL), NEW.error);
    UPDATE job SET newest = last_insert_rowid() WHERE key = NEW.key;
END;

CREATE TRIGGER job_newest BEFORE UPDATE OF newest ON job
WHEN (NEW.newest, NEW.key) IS NOT (SELECT seq, job FROM journal ORDER BY seq DESC LIMIT 1)
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its newest move');
END;

CREATE TRIGGER job_identity
BEFORE UPDATE OF key, id, queue, item, created_at, audience, task, trace, lane ON job
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its id, queue, item, audience, task, lane, trace and time of creation');
END;

-- A key that was let go is not taken again: another job may have it by now.
CREATE TRIGGER job_unique_key BEFORE UPDATE OF unique_key ON job
WHEN NEW.unique_key IS NOT NULL AND NEW.unique_key IS NOT OLD.unique_key
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its unique key, or lets it go');
END;

-- The key is let go when the job leaves what it was held for, whichever program writes. What is
-- held until a time goes with the next enqueue of the key after it. A key of which nothing is said
-- is held until the job has ended.
CREATE TRIGGER job_unique_ends AFTER UPDATE OF status ON job
WHEN OLD.unique_key IS NOT NULL
 AND (NEW.event = 'requeue'
      OR (NEW.unique_for = 'queued' AND NEW.status <> 'queued')
      OR (NEW.status IN ('completed', 'failed', 'cancelled')
          AND (NEW.unique_for IS NOT NULL OR NEW.unique_until IS NULL)))
BEGIN
    UPDATE job SET unique_key = NULL, unique_for = NULL, unique_until = NULL WHERE key = NEW.key;
END;

-- Under its other names, which an "UPDATE OF key" does not see.
CREATE TRIGGER job_key BEFORE UPDATE ON job WHEN NEW.key <> OLD.key
BEGIN
    SELECT RAISE(ABORT, 'a job keeps its key');
END;

-- Only finished jobs are pruned, with their rows of the journal and their progress.
CREATE TRIGGER job_kept BEFORE DELETE ON job
WHEN OLD.status NOT IN ('completed', 'failed', 'cancelled')
BEGIN
    SELECT RAISE(ABORT, 'only a completed, failed or cancelled job can be deleted');
END;

CREATE TRIGGER job_pruned AFTER DELETE ON job
BEGIN
    DELETE FROM journal WHERE seq IN (
        WITH RECURSIVE chain (seq) AS (
            SELECT OLD.newest
            UNION ALL
            SELECT journal.previous FROM chain CROSS JOIN journal ON journal.seq = chain.seq
            WHERE journal.previous < journal.seq
        )
        SELECT seq FROM chain);
    UPDATE counter SET pruned = pruned + changes();
    DELETE FROM progress WHERE job = OLD.key;
END;

CREATE TRIGGER journal_fixed BEFORE UPDATE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- The newest row stays, because the next seq is counted from it.
CREATE TRIGGER journal_kept BEFORE DELETE ON journal
WHEN EXISTS (SELECT 1 FROM job WHERE key = OLD.job)
  OR OLD.seq = (SELECT max(seq) FROM journal)
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only: prune finished jobs instead');
END;

CREATE TRIGGER move_unadded BEFORE INSERT ON move
BEGIN
    SELECT RAISE(ABORT, 'the table of moves is fixed');
END;

CREATE TRIGGER move_fixed BEFORE UPDATE ON move
BEGIN
    SELECT RAISE(ABORT, 'the table of moves is fixed');
END;

CREATE TRIGGER move_kept BEFORE DELETE ON move
BEGIN
    SELECT RAISE(ABORT, 'the table of moves is fixed');
END;
