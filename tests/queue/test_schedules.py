"""What an author may say of schedules, and that each slot's job is enqueued in time, once."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    Backoff,
    ConfigurationError,
    Cron,
    Every,
    PayloadError,
    PayloadTooLarge,
    QueueService,
    task,
)
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import Seen, child, finished, queue_class, raw, sql, wait_until

PROGRAM = Path(__file__).with_name("programs") / "scheduling.py"


@dataclass
class Report:
    month: str
    pages: tuple[int, ...] = ()


def scheduled(*schedules: object, **options: Any) -> type[QueueService]:
    return type("Scheduled", (queue_class(),), {"schedules": schedules, **options})


# ---------------------------------------------------------------- what an author may say


def wrong(**options: Any) -> Every:
    return Every(minutes=5, **options)


@pytest.mark.parametrize(
    ("schedules", "told"),
    [
        ("every day", "expected a list of schedules"),
        (Every(minutes=5), "expected a list of schedules"),
        ([Every(minutes=5), "0 6 * * *"], "expected a list of schedules"),
        (None, "expected a list of schedules"),
        ([Every(minutes=5), Every(seconds=300)], "two schedules have the name 'every 5 minutes'"),
        ([Cron("0 6 * * *", name="x"), Every(hours=1, name="x")], "two schedules have the name"),
        ([wrong(priority="high")], r"Every\('every 5 minutes'\): priority: expected"),
        ([wrong(max_attempts=0)], "max_attempts: expected an integer"),
        ([wrong(backoff=-1)], "backoff: expected"),
        ([wrong(label="two\nlines")], "label: expected one line"),
        ([wrong(delay=5)], "Every has no option 'delay'"),
        ([wrong(prioritty=5)], "did you mean 'priority'"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_class_with_wrong_schedules_cannot_be_made(schedules: object, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        type("Wrong", (QueueService,), {"name": "wrong", "schedules": schedules})
    with pytest.raises(ConfigurationError, match=told):
        QueueService(name="wrong", schedules=schedules)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "interval",
    [{}, {"seconds": 0}, {"seconds": 0.5}, {"seconds": 1.5}, {"minutes": -1}, {"days": 10**9},
     {"hours": "1"}, {"hours": True}, {"minutes": float("nan")}, {"days": float("inf")},
     {"seconds": None}, {"hours": 1, "minutes": -30}],
    ids=str,
)  # fmt: skip
def test_an_interval_that_makes_no_sense_is_refused(interval: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Every"):
        Every(**interval)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", 7, b"bytes"], ids=ascii)
def test_a_name_is_one_line_of_text(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="name: expected one line of printable text"):
        Every(minutes=5, name=name)


def test_a_missed_slot_is_run_or_skipped_and_nothing_else() -> None:
    with pytest.raises(ConfigurationError, match='missed: expected "run" or "skip", got \'later\''):
        Cron("0 6 * * *", missed="later")  # type: ignore[arg-type]


def test_an_item_that_cannot_be_stored_is_reported_where_it_is_written() -> None:
    with pytest.raises(PayloadError, match=r"item\['a'\]|item\[\"a\"\]"):
        Every(minutes=5, item={"a": object()})


def test_an_item_that_is_too_large_is_reported_before_the_queue_is_used(database: Path) -> None:
    kind = scheduled(Every(minutes=5, item="x" * 200), max_payload_bytes=100)
    with pytest.raises(PayloadTooLarge, match=r"Every\(.*\): item takes 202 bytes"):
        kind(database=database)


def test_a_schedule_without_a_name_is_called_by_its_definition() -> None:
    assert Every(hours=1, minutes=30).name == "every 1 hour 30 minutes"
    assert Cron("0  6 * * 1", timezone="Europe/Berlin").name == "at 06:00 on Monday (Europe/Berlin)"


# ---------------------------------------------------------------- schedules of tasks


def test_a_task_is_enqueued_by_its_schedule_with_its_arguments(make_queue: MakeQueue) -> None:
    seen = Seen()

    class Reports(QueueService):
        name = "reports"

        @task(schedule=Every(seconds=1, item={"month": 11, "pages": [1, 2]}), max_attempts=3)
        def monthly(self, month: int, pages: tuple[int, ...] = ()) -> None:
            seen((month, pages))

        @task(schedule=[Every(days=1), Cron("0 6 * * *", name="early")], priority=2)
        async def daily(self) -> None: ...

    queue = make_queue(Reports).start()
    assert seen.wait_for(lambda all_: all_)[0] == (11, (1, 2))
    [job, *_] = queue.jobs()
    assert (job.task, job.label, job.max_attempts) == ("monthly", "monthly", 3)
    rows = life_of(queue).open().store.schedules.all()
    assert [row.name for row in rows] == ["daily: every day", "early", "monthly"]


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("0 6 * * *", "schedule: expected a list of schedules"),
        (Every(minutes=5), "missing a required argument: 'month', as item= says"),
        (Every(minutes=5, item={"moth": 1}), "missing a required argument: 'month'"),
        (Every(minutes=5, item=7), "expected item= to have the arguments by name"),
        ([Every(minutes=5, item={"month": 1}), Every(minutes=5, item={"month": 2})],
         "two schedules have the name"),
        (wrong(item={"month": 1}, prioritty=3), "did you mean 'priority'"),
        (Every(minutes=5, item={"month": 1}, name="taken"), "two schedules have the name 'taken'"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_task_with_a_wrong_schedule_cannot_be_made(schedule: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):

        class Wrong(QueueService):
            name = "wrong"
            schedules = (Every(hours=1, name="taken"),)

            def handle_item(self, item: object) -> None: ...

            @task(schedule=schedule)
            def monthly(self, month: int) -> None: ...


def test_schedules_of_items_need_a_handler_of_items() -> None:
    with pytest.raises(ConfigurationError, match=r"expected @task\(schedule=…\)"):

        class Wrong(QueueService):
            name = "wrong"
            schedules = (Every(hours=1),)

            @task
            def monthly(self) -> None: ...


# ---------------------------------------------------------------- jobs of slots


def test_a_slot_enqueues_its_item_with_its_options(make_queue: MakeQueue) -> None:
    seen = Seen()
    item = Report("2026-11", (1, 2))
    kind = scheduled(
        Every(seconds=1, item=item, name="report", priority=7, max_attempts=3, backoff="5m",
              max_crashes=2),
        handle_item=lambda self, item: seen((item, self.current_job.id)),
    )  # fmt: skip
    queue = make_queue(kind).start()
    [(got, id_), *_] = seen.wait_for(lambda all_: all_)
    assert got == item
    job = queue.get(id_)
    assert (job.label, job.priority, job.max_attempts) == ("report", 7, 3)
    [stored] = sql(queue.path, "SELECT backoff, max_crashes FROM job WHERE id = ?", (id_,))
    assert stored == (Backoff.of("5m", "").to_json(), 2)


def test_a_label_of_ones_own_comes_first(make_queue: MakeQueue) -> None:
    queue = make_queue(scheduled(Every(seconds=1, label="mine", name="theirs"))).start()
    wait_until(lambda: len(queue.jobs().jobs) > 0)
    assert {job.label for job in queue.jobs()} == {"mine"}


def test_slots_come_in_time(make_queue: MakeQueue) -> None:
    queue = make_queue(scheduled(Every(seconds=1))).start()
    wait_until(lambda: len(queue.jobs().jobs) >= 4)
    late = [job.created_at % 1 for job in queue.jobs()]
    # On a busy machine a thread may wait for long, but seldom every time.
    assert min(late) < 0.1


def test_a_schedule_counts_from_its_first_start(make_queue: MakeQueue) -> None:
    queue = make_queue(scheduled(Every(days=1))).start()
    store = life_of(queue).open().store
    wait_until(lambda: len(store.schedules.all()) == 1)
    [row] = store.schedules.all()
    assert abs(row.last_slot - time.time()) < 60
    assert row.last_job is None
    assert list(queue.jobs()) == []


def test_a_full_queue_gets_the_job_once_there_is_room(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sprag.queue")
    queue = make_queue(scheduled(Every(seconds=1), max_queued=1))
    queue.pause()
    queue.enqueue("first")
    queue.start()
    wait_until(lambda: "the queue is full (max_queued=1)" in caplog.text)
    queue.resume()
    wait_until(lambda: any(job.label for job in queue.jobs("completed")))


def test_a_stopped_queue_enqueues_nothing(make_queue: MakeQueue) -> None:
    """Another queue keeps the file open, and its keeper goes on."""
    other = make_queue(name="other").start()
    queue = make_queue(scheduled(Every(seconds=1))).start()
    wait_until(lambda: len(queue.jobs().jobs) > 0)
    queue.stop()
    assert not life_of(other).open().timetable._queues


def record_slots(database: Path) -> None:
    """Let the file keep every slot that is taken, with its job."""
    with raw(database) as connection:
        connection.execute(
            """CREATE TABLE taken (slot REAL, job TEXT);
               CREATE TRIGGER taken AFTER UPDATE OF last_slot ON schedule
               WHEN NEW.last_slot <> OLD.last_slot
               BEGIN INSERT INTO taken VALUES (NEW.last_slot, NEW.last_job); END"""
        ).fetchall()


def check_slots(database: Path) -> None:
    """Each slot was taken once, in order, with a job of its own; and there are no other jobs."""
    taken = sql(database, "SELECT slot, job FROM taken ORDER BY rowid")
    slots = [slot for slot, _ in taken]
    assert slots == sorted(set(slots))
    jobs = [id_ for (id_,) in sql(database, "SELECT id FROM job ORDER BY key")]
    assert jobs == [job for _, job in taken]
    assert len(jobs) == len(set(jobs))


def test_each_slot_is_enqueued_once_by_several_processes(
    make_queue: MakeQueue, database: Path
) -> None:
    watching = make_queue(QueueService, name="ticks")
    watching.counts()
    record_slots(database)
    with child(PROGRAM, database), child(PROGRAM, database), child(PROGRAM, database):
        wait_until(lambda: len(watching.jobs().jobs) >= 5)
    check_slots(database)


def test_a_process_that_is_killed_costs_no_slot_and_repeats_none(
    make_queue: MakeQueue, database: Path
) -> None:
    watching = make_queue(QueueService, name="ticks")
    watching.counts()
    record_slots(database)
    with child(PROGRAM, database) as first, child(PROGRAM, database):
        wait_until(lambda: len(watching.jobs().jobs) >= 2)
        first.kill()
        first.wait()
        count = len(watching.jobs().jobs)
        wait_until(lambda: len(watching.jobs().jobs) >= count + 2)
    check_slots(database)


def test_a_job_of_a_slot_is_a_job_like_any_other(make_queue: MakeQueue) -> None:
    seen = Seen()
    queue = make_queue(scheduled(Every(seconds=1))).start()
    queue.subscribe(seen)
    [job] = seen.wait_for(lambda all_: [s for s in all_ if s["event"] == "complete"])[-1:]
    events = [move.event for move in queue.history(finished(queue, job["job_id"])[0].id)]
    assert events == ["enqueue", "start", "complete"]
