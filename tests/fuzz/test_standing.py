"""What another program has made of a schedule or a pause keeps nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprag.cli import main
from sprag.queue import Every, QueueService
from sprag.queue.operators import QueueFile
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import finished, queue_class, raw, wait_until

DEEP = "printf('%.*c', 900, '[') || printf('%.*c', 900, ']')"

HOSTILE = [
    "options = '[]'", f"options = {DEEP}", "options = '{\"priority\": \"high\", \"label\": 7}'",
    "options = '{\"max_attempts\": 0}'", "options = '{\"odd\": 1}'", "definition = '7'",
    "definition = '{\"cron\": \"odd\", \"timezone\": \"odd\"}'", f"definition = {DEEP}",
    f"item = {DEEP}", "item = '1' || printf('%.*c', 6000, '0')", "last_slot = 9e999",
    "last_slot = -9e999", "last_slot = -1e300", "last_slot = 1e300", "last_job = 'odd'",
    "paused_at = 9e999", "paused_at = -1e300", "reason = CAST(x'ff41' AS TEXT), paused_at = 1",
    "owner = 0", "owner = -1",
]  # fmt: skip


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    schedules = (Every(seconds=1, name="bad"), Every(seconds=1, name="good"))
    made = make_queue(type("Ticks", (queue_class(),), {"schedules": schedules}), name="ticks")
    made.start()
    wait_until(lambda: len(made.jobs().jobs) >= 2)
    return made


def good(queue: QueueService) -> int:
    return sum(job.label == "good" for job in queue.jobs(limit=1000))


@pytest.mark.parametrize("damage", HOSTILE)
def test_a_spoilt_schedule_keeps_no_job_and_no_reader(
    queue: QueueService, database: Path, damage: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with raw(database) as connection:
        connection.execute(f"UPDATE schedule SET {damage} WHERE name = 'bad'")
    finished(queue, queue.enqueue("another"))
    count = good(queue)
    wait_until(lambda: good(queue) > count)
    QueueFile(life_of(queue).open()).schedules()
    monkeypatch.setenv("SPRAG_DATABASE", str(database))
    for command in (["schedules"], ["schedules", "--json"], ["check"]):
        assert main(command) == 0
    assert "Traceback" not in capfd.readouterr().err
    queue.stop()
    queue.start()
    finished(queue, queue.enqueue("yet another"))


@pytest.mark.parametrize("at", ["9e999", "-9e999", "1e300", "-1"])
def test_a_spoilt_pause_is_still_one(
    make_queue: MakeQueue, database: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(name="ticks")
    queue.enqueue(1)
    with raw(database) as connection:
        connection.execute(f"INSERT INTO pause VALUES ('ticks', NULL, {at})")
    paused = queue.paused
    assert paused == (None, 0.0)
    monkeypatch.setenv("SPRAG_DATABASE", str(database))
    for command in ("list", "counts", "check"):
        assert main([command]) == 0
    queue.resume()
    queue.start()
    wait_until(lambda: queue.counts()["completed"] == 1)
