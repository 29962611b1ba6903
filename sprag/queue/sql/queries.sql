-- Every statement of the store. A block begins with "-- name:" and says what it is for.
-- Parameters have names; the clock is always a parameter. What several statements have in common
-- is a "-- part:", and stands in them by its name in braces.

-- part: held
-- The jobs that a process has. One step for each queue: there is no index of them alone.
queue_name CROSS JOIN job
ON job.queue = queue_name.name AND job.status IN ('running', 'cancelling') AND job.status <> 'queued'

-- part: job_row
SELECT job.key, job.id, job.queue, job.status, job.item, job.created_at, job.due_at, job.result,
       job.error, job.attempt, job.max_attempts, job.crashes, job.priority, job.label,
       job.started_at, job.moved_at, progress.current, progress.total, progress.percent,
       progress.message, progress.job, job.audience, job.starts, job.unique_key, job.unique_for,
       job.unique_until, job.time_limit,
       job.overdue IS job.starts AND job.status IN ('running', 'cancelling') AS overdue, job.task
FROM job LEFT JOIN progress ON progress.job = job.key AND progress.starts = job.starts

-- part: accepted
-- The columns of a new job: its own, and those of {asked}.
id, item, newest, queue, task, priority, max_attempts, max_crashes, backoff, label, audience,
time_limit, unique_key, unique_for, unique_until, waiting, due_at, created_at, moved_at

-- part: asked
-- What all jobs of a call have in common, in the order in which moves.insert passes it.
:queue, :task, :priority, :max_attempts, :max_crashes, :backoff, :label, :audience, :time_limit,
:unique_key, :unique_for, :unique_until, :waiting, :due_at, :now, :now

-- part: started
-- A job that begins to run. Texts come as bytes: one that is not UTF-8, from another program, must
-- fail its job, not its worker.
status = 'running', event = 'start', attempt = attempt + 1, starts = starts + 1, owner = :owner,
started_at = :now, moved_at = :now, error = NULL

-- part: run
RETURNING key, starts, id, attempt, max_attempts, CAST(backoff AS BLOB), CAST(item AS BLOB),
          time_limit, task

-- part: move_row
-- Texts come as bytes: one that is not UTF-8, from another program, must not keep subscribers from
-- what follows.
SELECT transition.seq, job.id, CAST(job.queue AS BLOB), transition.event, transition.from_status,
       transition.to_status, transition.attempt, transition.owner, transition.at,
       transition.due_at, CAST(transition.error AS BLOB), progress.current, progress.total,
       progress.percent, CAST(progress.message AS BLOB), progress.job, CAST(job.audience AS BLOB),
       CAST(job.task AS BLOB)

-- part: progress_row
SELECT progress.tick, progress.seq, job.id, CAST(job.queue AS BLOB), past.to_status, past.attempt,
       progress.current, progress.total, progress.percent, CAST(progress.message AS BLOB),
       CAST(job.audience AS BLOB), CAST(job.task AS BLOB)

-- part: past
-- How a job stood when its progress was stored: the newest of its moves up to that seq.
CROSS JOIN transition AS past ON past.seq = (
    WITH RECURSIVE chain (seq) AS (
        SELECT job.newest
        UNION ALL
        SELECT journal.previous FROM chain CROSS JOIN journal ON journal.seq = chain.seq
        WHERE chain.seq > progress.seq AND journal.previous < journal.seq
    )
    SELECT seq FROM chain WHERE seq <= progress.seq)

-- part: unpaused
-- Nothing of a queue that is paused is started: whoever starts jobs asks in the same transaction.
NOT EXISTS (SELECT 1 FROM pause WHERE pause.queue = :queue)

-- part: of_tasks
-- The tasks of the jobs of a queue that are ready, one step for each. The first is NULL, for jobs that
-- belong to none.
step (number, task) AS (
    SELECT 0, NULL
    UNION ALL
    SELECT number + 1, (SELECT min(task) FROM job WHERE queue = :queue AND status = 'queued'
                        AND waiting = 0 AND task > coalesce(step.task, ''))
    FROM step WHERE task IS NOT NULL OR number = 0
),
kind (task) AS (SELECT task FROM step WHERE task IS NOT NULL OR number = 0)

-- part: levels
-- The highest priorities of the jobs of a queue that are ready, one step for each of a task.
{of_tasks},
level (task, priority) AS (
    SELECT task, (SELECT max(priority) FROM job WHERE queue = :queue AND task IS kind.task
                  AND status = 'queued' AND waiting = 0)
    FROM kind
    UNION ALL
    SELECT task, (SELECT max(priority) FROM job WHERE queue = :queue AND task IS level.task
                  AND status = 'queued' AND waiting = 0 AND priority < level.priority)
    FROM level WHERE priority IS NOT NULL LIMIT 100
)

-- part: first_of
-- The ready jobs of each of some tasks that come first.
SELECT key FROM job WHERE queue = :queue AND task IS kind.task AND status = 'queued' AND waiting = 0
ORDER BY priority DESC, key LIMIT :count

-- name: enqueue
-- Accept a job. An id that exists already is left as it is, so that a repeated enqueue stores a job
-- once. `newest` is the seq that its first move will have: see job_enqueued.
INSERT INTO job ({accepted})
VALUES (:id, :item, (SELECT max(seq) FROM journal) + 1, {asked})
ON CONFLICT (id) DO NOTHING;

-- name: enqueue_many
-- Like enqueue, for several jobs that are alike. :jobs is a carray of texts, the id's 32 characters
-- followed by the item. Where an id is left out, `newest` is wrong for those after it, and put right.
WITH jobs AS (SELECT rowid, value FROM carray(:jobs))
INSERT INTO job ({accepted})
SELECT substr(value, 1, 32), substr(value, 33),
       (SELECT coalesce(max(seq), 0) FROM journal) + jobs.rowid, {asked}
FROM jobs WHERE true
ON CONFLICT (id) DO NOTHING;

-- name: let_go
-- A unique key is held no longer than until the time that was said.
UPDATE job SET unique_key = NULL, unique_for = NULL, unique_until = NULL
WHERE queue = :queue AND unique_key = :unique_key AND unique_until <= :now;

-- name: queued
-- How many jobs of a queue are queued; no further than :most.
SELECT count(*) FROM (
    SELECT * FROM (SELECT 1 FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 0
                   LIMIT :most)
    UNION ALL
    SELECT 1 FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 1
    LIMIT :most);

-- name: claim
-- Start up to :count jobs that belong to no task: the highest priority first, then in order of
-- acceptance.
UPDATE job SET {started}
WHERE key IN (SELECT key FROM job WHERE queue = :queue AND task IS NULL AND status = 'queued'
              AND waiting = 0 AND {unpaused} ORDER BY priority DESC, key LIMIT :count)
{run};

-- name: claim_tasks
-- Like claim, for jobs of the tasks in :tasks, a JSON array with null for those that belong to none.
-- However many jobs of other tasks there are, none of them is looked at.
UPDATE job SET {started}
WHERE key IN (SELECT job.key FROM (SELECT value AS task FROM json_each(:tasks)) AS kind
              CROSS JOIN job ON job.key IN ({first_of})
              WHERE {unpaused} ORDER BY job.priority DESC, job.key LIMIT :count)
{run};

-- name: savepoint
-- What follows can be undone or kept separately.
SAVEPOINT one;

-- name: undo
ROLLBACK TO one;

-- name: keep
RELEASE one;

-- name: claimable
-- The keys of the jobs that `claim_tasks` would start.
SELECT job.key FROM (SELECT value AS task FROM json_each(:tasks)) AS kind
CROSS JOIN job ON job.key IN ({first_of})
WHERE {unpaused} ORDER BY job.priority DESC, job.key LIMIT :count;

-- name: ready
-- The keys of the jobs that are ready, whatever their task, in the order of the claim.
WITH RECURSIVE {of_tasks}
SELECT job.key FROM kind CROSS JOIN job ON job.key IN ({first_of})
ORDER BY job.priority DESC, job.key LIMIT :count;

-- name: start
-- Like claim, but one job by its key.
UPDATE job SET {started} WHERE key = :key AND status = 'queued' {run};

-- name: finish
-- Store what became of runs. :outcomes is a JSON array of [key, starts, event, result, error,
-- due_at]. Refused (not counted among the changes) unless the run is still its owner's. A job
-- that was asked to cancel meanwhile is not queued again: its retry is a failure, its release
-- the confirmation. A release with an error and a due_at is a retry that does not count.
UPDATE job SET
    status = CASE outcome.event
        WHEN 'complete' THEN 'completed'
        WHEN 'fail' THEN 'failed'
        WHEN 'confirm' THEN 'cancelled'
        WHEN 'retry' THEN iif(job.status = 'running', 'queued', 'failed')
        WHEN 'release' THEN iif(job.status = 'running', 'queued', 'cancelled') END,
    event = CASE
        WHEN job.status = 'running' THEN outcome.event
        WHEN outcome.event = 'retry' THEN 'fail'
        WHEN outcome.event = 'release' THEN 'confirm'
        ELSE outcome.event END,
    attempt = attempt - (outcome.event = 'release' AND job.status = 'running'),
    owner = NULL, moved_at = :now, result = outcome.result,
    error = iif(outcome.event = 'release' AND job.status = 'cancelling', NULL, outcome.error),
    due_at = coalesce(outcome.due_at, job.due_at),
    waiting = coalesce(outcome.due_at > :now, 0)
FROM (SELECT value ->> 0 AS key, value ->> 1 AS starts, value ->> 2 AS event,
             value ->> 3 AS result, value ->> 4 AS error, value ->> 5 AS due_at
      FROM json_each(:outcomes)) AS outcome
WHERE job.key = outcome.key AND job.starts = outcome.starts AND job.owner = :owner
  AND job.status IN ('running', 'cancelling');

-- name: cancel
-- A queued job is cancelled at once, a running one asked to give way.
UPDATE job SET status = iif(status = 'queued', 'cancelled', 'cancelling'), event = 'cancel',
               moved_at = :now, error = NULL
WHERE id = :id AND queue = coalesce(:queue, queue) AND status IN ('queued', 'running')
RETURNING key, starts, status, owner;

-- name: requeue
-- Run a failed or cancelled job again, with fresh attempts.
UPDATE job SET status = 'queued', event = 'requeue', attempt = 0, crashes = 0, moved_at = :now,
               due_at = :now, waiting = 0, error = NULL
WHERE id = :id AND queue = coalesce(:queue, queue) AND status IN ('failed', 'cancelled')
RETURNING key;

-- name: promote
-- Waiting jobs whose time has come may be claimed; some at a time, the longest due first.
UPDATE job SET waiting = 0
WHERE key IN (SELECT key FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 1
              AND due_at <= :now ORDER BY due_at LIMIT 1000);

-- name: run_now
-- Let a waiting job be claimed before it is due. This is not a move: the job stays queued.
UPDATE job SET waiting = 0, due_at = min(due_at, :now)
WHERE id = :id AND queue = coalesce(:queue, queue) AND status = 'queued' AND waiting = 1
RETURNING key;

-- name: next_ready
-- Since when the job that comes first could have started; :count is 1.
WITH RECURSIVE {of_tasks}
SELECT job.due_at FROM kind CROSS JOIN job ON job.key IN ({first_of})
ORDER BY job.priority DESC, job.key LIMIT 1;

-- name: ready_by_task
-- How many jobs of each task are ready, each no further than :most; NULL is no task.
WITH RECURSIVE {of_tasks}
SELECT CAST(task AS BLOB),
       (SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue AND task IS kind.task
                              AND status = 'queued' AND waiting = 0 LIMIT :most))
FROM kind;

-- name: next_due
-- When the next waiting job of a queue is due; NULL if none waits.
SELECT min(due_at) FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 1;

-- name: pause
-- Start no more jobs of a queue. One that is paused already gets this reason, and keeps its time.
INSERT INTO pause (queue, reason, at) VALUES (:queue, :reason, :now)
ON CONFLICT (queue) DO UPDATE SET reason = excluded.reason;

-- name: resume
DELETE FROM pause WHERE queue = :queue;

-- name: pauses
-- The queues that are paused. Texts come as bytes: another program may have written them.
SELECT CAST(queue AS BLOB), CAST(reason AS BLOB), at FROM pause;

-- name: pause_of
SELECT CAST(reason AS BLOB), at FROM pause WHERE queue = :queue;

-- name: schedules
-- The schedules of a queue, or of all. Texts come as bytes: another program may have written them.
SELECT CAST(queue AS BLOB), CAST(name AS BLOB), CAST(definition AS BLOB), CAST(item AS BLOB),
       CAST(options AS BLOB), owner, owner IN (SELECT id FROM owner) AS alive, last_slot,
       CAST(last_job AS BLOB), paused_at, CAST(reason AS BLOB)
FROM schedule WHERE queue = coalesce(:queue, queue) ORDER BY queue, name;

-- name: settle
-- What a process has for a schedule. A changed definition counts from now, and so does a last slot
-- that a wrong clock has left far ahead.
INSERT INTO schedule (queue, name, definition, item, options, owner, last_slot)
VALUES (:queue, :schedule, :definition, :item, :options, :owner, :now)
ON CONFLICT (queue, name) DO UPDATE SET
    last_slot = CASE WHEN last_slot > :ahead THEN :now
                     WHEN definition = excluded.definition THEN last_slot
                     ELSE max(last_slot, :now) END,
    definition = excluded.definition, item = excluded.item, options = excluded.options,
    owner = excluded.owner
WHERE owner NOT IN (SELECT id FROM owner)
   OR (:starting AND (definition, item, options)
                     IS NOT (excluded.definition, excluded.item, excluded.options));

-- name: unsettle
-- Forget the schedules of a queue that are not in the JSON array :names and whose process is gone.
DELETE FROM schedule
WHERE queue = :queue AND name NOT IN (SELECT value FROM json_each(:names))
  AND owner NOT IN (SELECT id FROM owner);

-- name: leave_schedules
-- No owner has the id 0.
UPDATE schedule SET owner = 0 WHERE queue = :queue AND owner = :owner;

-- name: take_slot
-- No row: the slot or a later one was taken, or the schedule is paused or another one by now.
UPDATE schedule SET last_slot = :slot, last_job = coalesce(:job, last_job)
WHERE queue = :queue AND name = :schedule AND definition = :definition AND last_slot < :slot
  AND paused_at IS NULL
RETURNING CAST(item AS BLOB), CAST(options AS BLOB);

-- name: schedule_job
SELECT CAST(item AS BLOB), CAST(options AS BLOB) FROM schedule
WHERE queue = :queue AND name = :schedule;

-- name: pause_schedule
-- Like pause, but one schedule.
UPDATE schedule SET paused_at = coalesce(paused_at, :now), reason = :reason
WHERE queue = :queue AND name = :schedule;

-- name: resume_schedule
UPDATE schedule SET paused_at = NULL, reason = NULL, last_slot = max(last_slot, :now)
WHERE queue = :queue AND name = :schedule AND paused_at IS NOT NULL;

-- name: remove_schedule
DELETE FROM schedule
WHERE queue = :queue AND name = :schedule AND owner NOT IN (SELECT id FROM owner);

-- name: add_owner
INSERT INTO owner (token, pid, host, started_at) VALUES (:token, :pid, :host, :now) RETURNING id;

-- name: owners
SELECT id, token, pid, host, started_at, workers, tasks FROM owner ORDER BY id;

-- name: employ
-- What an owner runs now. :workers is a JSON object of queues with their number of workers, :tasks one
-- of those with the tasks that it knows.
UPDATE owner SET workers = :workers, tasks = :tasks WHERE id = :owner;

-- name: remove_owner
DELETE FROM owner WHERE id = :owner;

-- name: recover
-- The owner is dead: its jobs, or the one with :key, go back to the queue, but one that killed its
-- owner too often fails with :error, and one that was asked to cancel is cancelled.
UPDATE job SET
    status = CASE WHEN status = 'cancelling' THEN 'cancelled'
                  WHEN crashes + 1 >= max_crashes THEN 'failed' ELSE 'queued' END,
    event = CASE WHEN status = 'cancelling' THEN 'confirm'
                 WHEN crashes + 1 >= max_crashes THEN 'lose' ELSE 'recover' END,
    crashes = crashes + (status = 'running'),
    error = iif(status = 'running' AND crashes + 1 >= max_crashes,
                json_replace(:error, '$.message',
                             printf(:error ->> 'message', crashes + 1, max_crashes)), NULL),
    owner = NULL, moved_at = :now, due_at = :now, waiting = 0
WHERE key IN (SELECT job.key FROM {held}
              WHERE job.owner = :owner)
  AND key = coalesce(:key, key)
RETURNING id, queue, event;

-- name: held_by
-- The keys of the jobs that an owner runs.
SELECT job.key FROM {held}
WHERE job.owner = :owner;

-- name: give_back
-- Release the jobs that this owner has, except the runs in :kept, a JSON array of [key, starts].
UPDATE job SET
    status = iif(status = 'running', 'queued', 'cancelled'),
    event = iif(status = 'running', 'release', 'confirm'),
    attempt = attempt - (status = 'running'),
    owner = NULL, moved_at = :now, error = NULL
WHERE key IN (SELECT job.key FROM {held}
              WHERE job.owner = :owner)
  AND (key, starts) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(:kept))
RETURNING id;

-- name: cancelling
-- The runs of this owner that were asked to cancel.
SELECT job.key, job.starts FROM {held} WHERE job.owner = :owner AND job.status = 'cancelling';

-- name: next_tick
-- One for each of the next :count reports.
UPDATE counter SET tick = tick + :count;

-- name: report
-- Store the progress of runs. :reports is a JSON array of [key, starts, current, total, percent,
-- message]; a run that is over or has another owner is skipped. Each report gets one of the ticks
-- that were just taken, so that a reader can stop after any of them.
INSERT INTO progress (job, starts, current, total, percent, message, seq, tick)
SELECT job.key, job.starts, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
       (SELECT max(seq) FROM journal), (SELECT tick FROM counter) - report.key
FROM json_each(:reports) AS report CROSS JOIN job ON job.key = report.value ->> 0
WHERE job.starts = report.value ->> 1 AND job.owner = :owner
ON CONFLICT (job) DO UPDATE SET
    starts = excluded.starts, current = excluded.current, total = excluded.total,
    percent = excluded.percent, message = excluded.message, seq = excluded.seq,
    tick = excluded.tick;

-- name: overdue
-- Take note that runs go on past their time limits. :runs is a JSON array of [key, starts]; a run
-- that is over or has another owner is skipped.
UPDATE job SET overdue = starts
WHERE key IN (SELECT value ->> 0 FROM json_each(:runs))
  AND (key, starts) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:runs))
  AND owner = :owner;

-- name: prune_boundary
-- The key of the newest finished job of a queue beyond the :keep newest ones.
SELECT key FROM job
WHERE queue = :queue AND status IN ('completed', 'failed', 'cancelled') AND status <> 'queued'
ORDER BY key DESC LIMIT 1 OFFSET :keep;

-- name: prune
-- Delete some finished jobs of one status, from key :after on: those that ended before :before
-- or whose key is at most :boundary. The job of the newest transition stays: its seq is the
-- journal's head. So does the newest job: its key would be given again, and a handler that has
-- outlasted its run still uses the key.
DELETE FROM job WHERE key IN (
    SELECT key FROM job
    WHERE queue = :queue AND status = :status AND status <> 'queued' AND key > :after
       AND (moved_at < :before OR key <= :boundary)
       AND key NOT IN ((SELECT job FROM journal ORDER BY seq DESC LIMIT 1),
                       (SELECT max(key) FROM job))
    ORDER BY key LIMIT 500)
RETURNING key;

-- name: prunable
-- Of the next :count jobs that `prune` would look at: the last key, and how many it would delete.
SELECT max(key), sum((moved_at < :before OR key <= :boundary)
                     AND key NOT IN ((SELECT job FROM journal ORDER BY seq DESC LIMIT 1),
                                     (SELECT max(key) FROM job)))
FROM (SELECT key, moved_at FROM job
      WHERE queue = :queue AND status = :status AND status <> 'queued' AND key > :after
      ORDER BY key LIMIT :count);

-- name: delete
-- Delete one finished job, unless it is one that `prune` keeps.
DELETE FROM job WHERE id = :id AND status IN ('completed', 'failed', 'cancelled')
   AND key NOT IN ((SELECT job FROM journal ORDER BY seq DESC LIMIT 1),
                   (SELECT max(key) FROM job))
RETURNING key;

-- name: job
-- One job by its id.
{job_row} WHERE job.id = :id;

-- name: holder
-- The job that holds a unique key.
{job_row} WHERE job.queue = :queue AND job.unique_key = :unique_key;

-- name: jobs
-- The jobs with the keys in the JSON array :keys, newest first.
{job_row} WHERE job.key IN (SELECT value FROM json_each(:keys)) ORDER BY job.key DESC;

-- name: keys_of_tasks
-- Which of the keys in the JSON array :keys are of jobs of the tasks in :tasks, another one.
SELECT key FROM job WHERE key IN (SELECT value FROM json_each(:keys))
   AND task IN (SELECT value FROM json_each(:tasks));

-- name: going
-- Which of these jobs have not ended. :ids is a carray of texts.
SELECT job.id
FROM carray(:ids) AS wanted CROSS JOIN job ON job.id = wanted.value
WHERE job.status IN ('queued', 'running', 'cancelling');

-- name: ids
-- The ids that begin with :prefix; at most :count.
SELECT id FROM job WHERE id >= :prefix AND id < :prefix || 'g' ORDER BY id LIMIT :count;

-- name: keys
-- The keys of jobs of one queue and status from :low up to the key :before, newest first. Not for
-- those that are queued: see queued_keys.
SELECT key FROM job
WHERE queue = :queue AND status = :status AND status <> 'queued' AND key < :before AND key >= :low
ORDER BY key DESC LIMIT :count;

-- name: keys_upward
-- Like keys, but oldest first, after the key :after up to :high.
SELECT key FROM job
WHERE queue = :queue AND status = :status AND status <> 'queued' AND key > :after AND key < :high
ORDER BY key LIMIT :count;

-- name: queued_keys
-- Like keys, for jobs that are queued: those of each priority, sorted those of so many more that
-- their order could only be had of all, and those that wait.
WITH RECURSIVE {levels}
SELECT job.key FROM level CROSS JOIN job ON job.key IN (
    SELECT key FROM job WHERE queue = :queue AND task IS level.task AND status = 'queued'
       AND waiting = 0 AND priority = level.priority AND key < :before AND key >= :low
    ORDER BY key DESC LIMIT :count)
UNION ALL
SELECT * FROM (
    SELECT key FROM kind CROSS JOIN job
    ON queue = :queue AND job.task IS kind.task AND status = 'queued' AND waiting = 0
      AND priority < coalesce((SELECT min(priority) FROM level WHERE level.task IS kind.task), 1e18)
      AND key < :before AND key >= :low
    ORDER BY key DESC LIMIT :count)
UNION ALL
SELECT * FROM (
    SELECT key FROM job
    WHERE queue = :queue AND status = 'queued' AND waiting = 1 AND key < :before AND key >= :low
    ORDER BY key DESC LIMIT :count)
ORDER BY 1 DESC LIMIT :count;

-- name: queued_keys_upward
-- Like queued_keys, but oldest first, after the key :after up to :high.
WITH RECURSIVE {levels}
SELECT job.key FROM level CROSS JOIN job ON job.key IN (
    SELECT key FROM job WHERE queue = :queue AND task IS level.task AND status = 'queued'
       AND waiting = 0 AND priority = level.priority AND key > :after AND key < :high
    ORDER BY key LIMIT :count)
UNION ALL
SELECT * FROM (
    SELECT key FROM kind CROSS JOIN job
    ON queue = :queue AND job.task IS kind.task AND status = 'queued' AND waiting = 0
      AND priority < coalesce((SELECT min(priority) FROM level WHERE level.task IS kind.task), 1e18)
      AND key > :after AND key < :high
    ORDER BY key LIMIT :count)
UNION ALL
SELECT * FROM (
    SELECT key FROM job
    WHERE queue = :queue AND status = 'queued' AND waiting = 1 AND key > :after AND key < :high
    ORDER BY key LIMIT :count)
ORDER BY 1 LIMIT :count;

-- name: keys_of_audience
-- The keys of the newest jobs of one audience in one queue, older than the key :before.
SELECT key FROM job WHERE audience = :audience AND queue = :queue AND key < :before
ORDER BY key DESC LIMIT :count;

-- name: waiting_keys
-- The keys of waiting jobs that are due after :since, up to :until; the next due comes first.
SELECT key FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 1
   AND due_at > :since AND due_at <= :until ORDER BY due_at LIMIT :count;

-- name: newest_key
SELECT coalesce(max(key), 0) FROM job;

-- name: accepted_from
-- The first job from :key on, and when it was accepted.
SELECT key, created_at FROM job WHERE key >= :key ORDER BY key LIMIT 1;

-- name: keys_by_id
-- The keys of jobs whose id begins with :prefix; at most :count.
SELECT key FROM job WHERE id >= :prefix AND id < :prefix || 'g' ORDER BY id LIMIT :count;

-- name: failures
-- The keys of jobs that failed and still are, the latest first, among the :window newest
-- transitions. A job may come twice.
SELECT job.key FROM transition CROSS JOIN job ON job.key = transition.job
WHERE transition.seq > (SELECT coalesce(max(seq), 0) - :window FROM journal)
  AND transition.to_status = 'failed' AND job.status = 'failed'
ORDER BY transition.seq DESC LIMIT :count;

-- name: glance
-- The matching jobs among those whose keys are in the JSON array :keys. Long texts are cut at :cut
-- characters. :pattern NULL matches all, as do :states and :tasks (JSON arrays) NULL; :ended_from NULL also
-- matches what has not ended. :lost has the owners that are dead. Texts come as bytes: one that
-- is not UTF-8, from another program, must not hide the others.
SELECT * FROM (
    SELECT job.key, job.id, job.queue, job.status, CAST(substr(job.label, 1, :cut) AS BLOB),
           CAST(substr(job.item, 1, :cut) AS BLOB), CAST(substr(job.result, 1, :cut) AS BLOB),
           CAST(substr(coalesce(job.error ->> 'type', ''), 1, :cut) AS BLOB),
           CAST(substr(coalesce(job.error ->> 'message', job.error), 1, :cut) AS BLOB),
           job.attempt, job.max_attempts, job.crashes, job.priority, job.created_at, job.due_at,
           job.started_at, job.moved_at,
           CASE WHEN job.status IN ('running', 'cancelling') THEN :now - job.started_at
                WHEN job.status <> 'queued' AND job.event <> 'cancel'
                THEN job.moved_at - job.started_at END AS seconds,
           CASE WHEN job.status <> 'queued'
                THEN iif(job.owner IN (SELECT value FROM json_each(:lost)), 'lost', job.status)
                WHEN job.waiting = 0 OR job.due_at <= :now THEN 'ready'
                ELSE iif(job.event = 'enqueue', 'scheduled', 'retrying') END AS state,
           progress.current, progress.total, progress.percent,
           CAST(substr(progress.message, 1, :cut) AS BLOB), progress.job, CAST(job.task AS BLOB),
           job.overdue IS job.starts AND job.status IN ('running', 'cancelling')
    FROM job LEFT JOIN progress ON progress.job = job.key AND progress.starts = job.starts
    WHERE job.key IN (SELECT value FROM json_each(:keys))
      AND job.created_at >= :accepted_from AND job.created_at < :accepted_until
      AND (:ended_from IS NULL OR job.status IN ('completed', 'failed', 'cancelled')
           AND job.moved_at >= :ended_from AND job.moved_at < :ended_until)
      AND (:tasks IS NULL OR job.task IN (SELECT value FROM json_each(:tasks)))
      AND (:pattern IS NULL OR job.label LIKE :pattern ESCAPE '\'
           OR job.item LIKE :pattern ESCAPE '\' OR job.error ->> 'type' LIKE :pattern ESCAPE '\'
           OR job.error ->> 'message' LIKE :pattern ESCAPE '\'
           OR job.error LIKE :pattern ESCAPE '\'))
WHERE :states IS NULL OR state IN (SELECT value FROM json_each(:states));

-- name: history
-- The transitions of one job, in order.
WITH RECURSIVE chain (seq) AS (
    SELECT newest FROM job WHERE id = :id
    UNION ALL
    SELECT journal.previous FROM chain CROSS JOIN journal ON journal.seq = chain.seq
    WHERE journal.previous < journal.seq
)
SELECT transition.seq, job.id, job.queue, transition.event, transition.from_status,
       transition.to_status, transition.attempt, transition.owner, transition.at,
       transition.due_at, transition.error
FROM chain CROSS JOIN transition ON transition.seq = chain.seq
CROSS JOIN job ON job.key = transition.job ORDER BY transition.seq;

-- name: transitions
-- The journal after :after, in order.
{move_row}
FROM transition CROSS JOIN job ON job.key = transition.job
LEFT JOIN progress ON progress.job = job.key AND progress.starts = job.starts
WHERE transition.seq > :after ORDER BY transition.seq LIMIT :count;

-- name: transitions_of_audiences
-- Like transitions, for the jobs of some audiences (a carray of texts): from the jobs back to
-- :after, for a reader that was away for long.
WITH RECURSIVE chain (seq) AS (
    SELECT job.newest FROM carray(:audiences) AS wanted CROSS JOIN job ON job.audience = wanted.value
    WHERE job.newest > :after
    UNION ALL
    SELECT journal.previous FROM chain CROSS JOIN journal ON journal.seq = chain.seq
    WHERE journal.previous > :after AND journal.previous < journal.seq
)
{move_row}
FROM chain CROSS JOIN transition ON transition.seq = chain.seq
CROSS JOIN job ON job.key = transition.job
LEFT JOIN progress ON progress.job = job.key AND progress.starts = job.starts
ORDER BY transition.seq LIMIT :count;

-- name: progress_since
-- The progress that was stored after tick :tick, with its place in the journal's order, and how
-- the job stood there: it may have moved on since.
{progress_row}
FROM progress CROSS JOIN job ON job.key = progress.job {past}
WHERE progress.tick > :tick AND progress.seq >= :after AND progress.starts = job.starts
ORDER BY progress.tick, progress.job;

-- name: progress_of_audiences_since
-- Like progress_since, for the jobs of some audiences (a carray of texts): from the jobs to their
-- progress. A page may send any tick, and the cost must not grow with the jobs of others.
{progress_row}
FROM carray(:audiences) AS wanted CROSS JOIN job ON job.audience = wanted.value
CROSS JOIN progress ON progress.job = job.key {past}
WHERE progress.tick > :tick AND progress.starts = job.starts
ORDER BY progress.tick, progress.job;

-- name: head
-- The newest seq and tick.
SELECT coalesce((SELECT max(seq) FROM journal), 0), coalesce((SELECT tick FROM counter), 0);

-- name: add_notice
INSERT INTO notice (audience, signal, data, at) VALUES (:audience, :signal, :data, :now);

-- name: drop_notices
-- Forget the oldest notices: those from before :before, as far as they come first.
DELETE FROM notice WHERE id < (SELECT min(id) FROM notice WHERE at >= :before);

-- name: notices
-- The notices after notice :after, in order.
SELECT id, audience, signal, data FROM notice WHERE id > :after ORDER BY id LIMIT :count;

-- name: last_notice
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notice'), 0);

-- name: counts
-- How many jobs of a queue are in which status.
SELECT status, count(*) FROM job WHERE queue = :queue AND status <> 'queued' GROUP BY status
UNION ALL
SELECT 'queued', (SELECT count(*) FROM job
                  WHERE queue = :queue AND status = 'queued' AND waiting = 0)
               + (SELECT count(*) FROM job
                  WHERE queue = :queue AND status = 'queued' AND waiting = 1);

-- name: count_ready
-- How many jobs of a queue can start now, and how many wait although they are due: each no further
-- than :most.
SELECT (SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue AND status = 'queued'
                              AND waiting = 0 LIMIT :most)),
       (SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue AND status = 'queued'
                              AND waiting = 1 AND due_at <= :now LIMIT :most));

-- name: count_waiting
-- How many jobs of a queue are due later, no further than :most, and how many of them are retries.
SELECT count(*), coalesce(sum(event <> 'enqueue'), 0) FROM (
    SELECT event FROM job WHERE queue = :queue AND status = 'queued' AND waiting = 1
       AND due_at > :now ORDER BY due_at LIMIT :most);

-- name: count_running
-- How many jobs of a queue and status each owner has.
SELECT owner, count(*) FROM job
WHERE queue = :queue AND status = :status AND status <> 'queued' GROUP BY owner;

-- name: count_status
-- How many jobs of a queue are in a status, no further than :most. Not for those that are queued.
SELECT count(*) FROM (
    SELECT 1 FROM job WHERE queue = :queue AND status = :status AND status <> 'queued' LIMIT :most);

-- name: runs
-- How long jobs waited and ran whose last run ended among the :window newest transitions, the
-- latest first.
SELECT job.queue, job.started_at - job.due_at, job.moved_at - job.started_at
FROM transition CROSS JOIN job ON job.key = transition.job AND job.newest = transition.seq
WHERE transition.seq > (SELECT coalesce(max(seq), 0) - :window FROM journal)
  AND transition.event IN ('complete', 'fail')
ORDER BY transition.seq DESC;

-- name: queues
-- The queues that have a job or a schedule, or are paused.
SELECT name FROM queue_name UNION SELECT queue FROM pause UNION SELECT queue FROM schedule;

-- name: rates
-- How many moves of each kind and queue were made since :since.
SELECT job.queue, transition.event, count(*)
FROM transition CROSS JOIN job ON job.key = transition.job
WHERE transition.seq > (
    -- Times are nearly in the order of seq, but not quite, as a binary search would need.
    SELECT coalesce(max(seq), 0) - :window FROM journal) AND transition.at >= :since
GROUP BY job.queue, transition.event;

-- name: moves
-- How many moves of the kinds in :events (a JSON array) each queue made in each :width seconds,
-- numbered from the epoch, among the transitions after :after up to :until.
SELECT CAST(transition.at / :width AS INTEGER) AS slot, job.queue, transition.event, count(*)
FROM transition CROSS JOIN job ON job.key = transition.job
WHERE transition.seq > :after AND transition.seq <= :until
  AND transition.event IN (SELECT value FROM json_each(:events))
GROUP BY slot, job.queue, transition.event;

-- name: moved_at
-- When the first transition from :seq on was made.
SELECT at FROM journal WHERE seq >= :seq ORDER BY seq LIMIT 1;

-- name: window_start
-- When the oldest of the :window newest transitions was made; NULL if there is none.
SELECT (SELECT at FROM journal
        WHERE seq > (SELECT coalesce(max(seq), 0) - :window FROM journal) ORDER BY seq LIMIT 1);

-- name: held
-- How many jobs each owner runs.
SELECT job.owner, count(*) FROM {held}
GROUP BY job.owner;

-- name: held_ids
-- The ids of the jobs that the owners in the JSON array :owners run.
SELECT job.id FROM {held}
WHERE job.owner IN (SELECT value FROM json_each(:owners));

-- name: strays
-- Jobs whose row is not what their newest transition says; at most :count.
SELECT job.id, job.status, job.event, move.target, move.event
FROM job LEFT JOIN journal ON journal.seq = job.newest AND journal.job = job.key
LEFT JOIN move ON move.id = journal.move
WHERE move.target IS NOT job.status OR move.event IS NOT job.event
LIMIT :count;

-- name: broken_chains
-- Transitions that do not begin where the job's previous one ended; at most :count.
SELECT seq, id, from_status, was AS previous FROM (
    SELECT transition.seq, job.id, transition.from_status,
           lag(transition.to_status) OVER (PARTITION BY transition.job ORDER BY transition.seq)
               AS was
    FROM transition LEFT JOIN job ON job.key = transition.job)
WHERE from_status IS NOT was LIMIT :count;

-- name: loose_links
-- Transitions that do not lead to the job's previous one, or the newest of a job that its row does
-- not lead to; at most :count.
SELECT seq, id FROM (
    SELECT journal.seq, journal.previous, job.id, job.newest,
           lag(journal.seq) OVER moves AS before, lead(journal.seq) OVER moves AS next
    FROM journal JOIN job ON job.key = journal.job
    WINDOW moves AS (PARTITION BY journal.job ORDER BY journal.seq))
WHERE previous IS NOT before OR (next IS NULL AND newest IS NOT seq) LIMIT :count;

-- name: misfolds
-- Jobs whose counts, owner or error are not what their transitions add up to; at most :count.
-- max() makes the other columns those of the newest transition.
SELECT job.id, max(transition.seq)
FROM transition CROSS JOIN job ON job.key = transition.job
LEFT JOIN (SELECT job, max(seq) AS seq FROM transition WHERE event = 'requeue' GROUP BY job) AS life
     ON life.job = job.key
GROUP BY job.key
HAVING job.starts <> sum(transition.event = 'start')
    OR job.attempt <> sum(((transition.event = 'start') - (transition.event = 'release'))
                          * (transition.seq > coalesce(life.seq, 0)))
    OR job.crashes <> sum((transition.event IN ('recover', 'lose'))
                          * (transition.seq > coalesce(life.seq, 0)))
    OR job.owner IS NOT iif(job.status IN ('running', 'cancelling'), transition.owner, NULL)
    OR job.error IS NOT transition.error
LIMIT :count;

-- name: kinds_of_moves
-- The moves that were made, each with its first transition; NULL for what is no move.
SELECT move.event, move.source, move.target, min(journal.seq)
FROM journal LEFT JOIN move ON move.id = journal.move GROUP BY journal.move;

-- name: rules
-- The table of moves.
SELECT id, event, source, target, starts, attempts, crashes, afresh FROM move ORDER BY id;

-- name: misfits
-- Transitions whose attempt, owner or error do not follow from those before; at most :count. A
-- life ends with its requeue.
SELECT seq, id FROM (
    SELECT *, lag(owner) OVER moves AS was_owner,
           coalesce(sum((event = 'start') - (event = 'release')) OVER before, 0) AS tries,
           coalesce(sum(event IN ('recover', 'lose')) OVER before, 0) AS deaths
    FROM (SELECT transition.*, job.id, job.max_attempts, job.max_crashes,
                 count(*) FILTER (WHERE transition.event = 'requeue') OVER
                     (PARTITION BY transition.job ORDER BY transition.seq
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS life
          FROM transition JOIN job ON job.key = transition.job)
    WINDOW moves AS (PARTITION BY job ORDER BY seq),
           before AS (PARTITION BY job, life ORDER BY seq
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
WHERE attempt <> tries + (event = 'start')
   OR (error IS NULL AND event IN ('fail', 'retry', 'lose'))
   OR (error IS NOT NULL AND event NOT IN ('fail', 'retry', 'lose', 'release'))
   OR (from_status IN ('running', 'cancelling') AND owner IS NOT was_owner)
   OR (event = 'retry' AND tries >= max_attempts)
   OR (event IN ('recover', 'lose') AND (event = 'lose') <> (deaths + 1 >= max_crashes))
LIMIT :count;

-- name: untimely_progress
-- Progress of no job, of a future run, or from after the job's end; at most :count.
SELECT job.id, progress.job FROM progress LEFT JOIN job ON job.key = progress.job
WHERE job.key IS NULL OR progress.starts > job.starts
   OR progress.seq > (SELECT coalesce(max(seq), 0) FROM journal)
   OR (progress.starts = job.starts AND job.status IN ('completed', 'failed', 'cancelled')
       AND progress.seq >= job.newest)
LIMIT :count;

-- name: orphans
-- Transitions of no job; at most :count.
SELECT seq FROM journal WHERE NOT EXISTS (SELECT 1 FROM job WHERE key = journal.job)
LIMIT :count;

-- name: gaps
-- The newest seq, the transitions there are, and those that were pruned: the first is their sum.
-- The first of all is 1.
SELECT coalesce(max(seq), 0), count(*), (SELECT pruned FROM counter), coalesce(min(seq), 1)
FROM journal;

-- name: unowned
-- Running jobs whose owner has no row; at most :count.
SELECT job.id, job.owner FROM {held}
WHERE job.owner NOT IN (SELECT id FROM owner) LIMIT :count;

-- name: integrity
PRAGMA integrity_check(100);

-- name: structure
-- Like integrity, without a comparison of indexes and tables; what is wrong with pages comes first.
PRAGMA quick_check(1);
