from __future__ import annotations

import time
from pathlib import Path

import pytest

from sprag.queue import Cron, Every, QueueService
from sprag.queue.service import life_of
from tests.cli.conftest import HOSTILE, Sprag
from tests.conftest import MakeQueue
from tests.support import queue_class, raw, sql, wait_until

DAILY = Cron("0 6 * * *", timezone="Europe/Berlin", name="daily", item={"kind": "day"}, priority=4)


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    """A queue that has been started with two schedules."""
    kind = type("Reports", (queue_class(),), {"schedules": (DAILY, Every(days=7))})
    made = make_queue(kind, name="reports").start()
    store = life_of(made).open().store
    wait_until(lambda: len(store.schedules.all()) == 2)
    return made


def test_schedules_are_listed_with_their_words_and_next_slots(
    sprag: Sprag, queue: QueueService
) -> None:
    answer = sprag("schedules")
    assert answer.code == 0
    daily, weekly = answer.out.splitlines()[1:]
    assert daily.startswith("daily")
    assert "at 06:00 every day (Europe/Berlin)" in daily
    assert " in " in daily
    assert weekly.startswith("every 7 days")
    assert sprag("schedules", "-q", "other").err == "no schedules\n"


def test_the_json_of_schedules_has_all_that_is_known(sprag: Sprag, queue: QueueService) -> None:
    daily, weekly = sprag("schedules", "--json").document["schedules"]
    now = time.time()
    assert now < daily.pop("next") <= now + 25 * 3600
    assert daily == {
        "queue": "reports", "name": "daily", "item": {"kind": "day"},
        "definition": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"},
        "words": "at 06:00 every day (Europe/Berlin)", "last": None, "last_job": None,
        "late": False, "paused": None, "alive": True, "problem": None,
    }  # fmt: skip
    assert weekly["definition"] == {"every": 604800}


def test_a_schedule_runs_now_from_the_terminal(sprag: Sprag, queue: QueueService) -> None:
    id_ = sprag("schedules", "run", "daily").out.strip()
    job = queue.get(id_)
    assert (job.item, job.label, job.priority) == ({"kind": "day"}, "daily", 4)
    assert queue.get(sprag("schedules", "run", "daily", "--json").document["id"]).label == "daily"


def test_a_schedule_is_paused_and_resumed_from_the_terminal(
    sprag: Sprag, queue: QueueService
) -> None:
    answer = sprag("schedules", "pause", "daily", "--reason", "holidays")
    assert answer.out == "daily is paused\n"
    assert "paused 0s ago: holidays" in sprag("schedules").out
    [daily, _] = sprag("schedules", "--json").document["schedules"]
    assert (daily["paused"]["reason"], daily["next"]) == ("holidays", None)
    assert sprag("schedules", "resume", "daily").out == "daily goes on\n"
    assert sprag("schedules", "resume", "daily").out == "daily was not paused\n"
    assert sprag("schedules", "pause", "daily", "--reason", "a\nb").code == 2


def test_a_schedule_that_is_not_there_or_not_clear_is_refused(
    sprag: Sprag, queue: QueueService, database: Path
) -> None:
    for verb in ("run", "pause", "resume", "remove"):
        answer = sprag("schedules", verb, "nightly", "--json")
        assert (answer.code, answer.error["kind"]) == (1, "schedule_not_found")
    sql(
        database,
        "INSERT INTO schedule SELECT 'other', name, definition, item, options, owner, last_slot, "
        "NULL, NULL, NULL FROM schedule WHERE name = 'daily'",
    )
    answer = sprag("schedules", "run", "daily", "--json")
    assert (answer.code, answer.error["kind"]) == (1, "schedule_ambiguous")
    assert sprag("schedules", "run", "daily", "-q", "other").code == 0
    assert sprag("schedules", "remove", "daily", "-q", "other").code == 1  # its process runs
    assert sprag("schedules", "-q", "other", "run", "daily").code == 2


def test_a_schedule_that_no_process_has_is_late_and_can_be_removed(
    sprag: Sprag, queue: QueueService, database: Path
) -> None:
    queue.stop()
    assert sprag("check", "--json").document["late"] == []
    sql(database, "UPDATE schedule SET last_slot = last_slot - 7 * 86400 WHERE name = 'daily'")
    answer = sprag("check")
    assert answer.code == 0
    assert "reports: the schedule 'daily' is late, it was due " in answer.out
    assert "no running process has it" in answer.out
    [late] = sprag("check", "--json").document["late"]
    assert (late["queue"], late["name"]) == ("reports", "daily")
    assert "late: due " in sprag("schedules").out
    sprag("schedules", "pause", "daily")
    assert sprag("check", "--json").document["late"] == []
    assert sprag("schedules", "remove", "daily").out == "daily is forgotten\n"
    assert "daily" not in sprag("schedules").out


def test_the_last_job_of_a_schedule_is_shown_with_its_state(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    kind = type("Ticks", (queue_class(),), {"schedules": (Every(seconds=1, name="tick"),)})
    queue = make_queue(kind, name="ticks").start()
    wait_until(lambda: queue.counts()["completed"] > 0)
    queue.stop()
    [row] = sprag("schedules").out.splitlines()[1:]
    assert "completed" in row
    [tick] = sprag("schedules", "--json").document["schedules"]
    job = next(job for job in queue.jobs() if job.id == tick["last_job"])
    assert tick["last"] == pytest.approx(job.created_at, abs=5)


def test_what_another_program_wrote_is_shown_and_does_not_reach_the_terminal(
    sprag: Sprag, queue: QueueService, database: Path
) -> None:
    with raw(database) as connection:
        connection.execute(
            "INSERT INTO schedule VALUES ('odd', ?, '{\"odd\": true}', '1', '{}', 0, 0, 'x', 7, ?)",
            (HOSTILE, HOSTILE),
        )
    for command in (("schedules",), ("check",)):
        answer = sprag(*command)
        assert answer.code == 0
        assert "\x1b" not in answer.out + answer.err
    assert "expected the definition of a schedule" in sprag("schedules").err
    [odd, *_] = sprag("schedules", "--json").document["schedules"]
    assert (odd["next"], odd["last"]) == (None, None)
