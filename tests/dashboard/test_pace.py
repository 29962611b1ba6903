"""How many jobs came and ended: counted as they come, and backwards a bounded part at a time."""

from __future__ import annotations

import pytest

from sprag.dashboard import pace as module
from sprag.dashboard.pace import Pace
from sprag.queue import QueueService, sparing
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.dashboard.conftest import handle


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle)


@pytest.fixture
def pace(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """One that looks whenever it is asked, at ten moves at a time."""
    monkeypatch.setattr(module, "_CHUNK", 10)
    monkeypatch.setattr(module, "_AHEAD", 10)
    monkeypatch.setattr(sparing, "_LEAST", 0.0)
    monkeypatch.setattr(sparing, "_FACTOR", 0.0)
    return Pace(lambda: QueueFile(engine))


def enqueued(pace: Pace) -> int:
    of_queue = pace.shape(3600)["queues"].get("work", {})
    return sum(of_queue.get("enqueued", []))


def test_what_was_there_before_is_counted_a_part_at_each_look(
    queue: QueueService, pace: Pace
) -> None:
    queue.enqueue_many(range(25))
    assert enqueued(pace) == 10
    queue.enqueue_many(range(3))
    assert enqueued(pace) == 23
    assert enqueued(pace) == 28
    said = pace.shape(3600)
    assert (said["more"], said["known_since"]) == (False, said["since"])


def test_it_begins_anew_where_more_has_come_than_it_reads_at_once(
    queue: QueueService, pace: Pace
) -> None:
    queue.enqueue_many(range(5))
    assert enqueued(pace) == 5
    queue.enqueue_many(range(40))
    assert enqueued(pace) == 10
    while pace.shape(3600)["more"]:
        pass
    assert enqueued(pace) == 45


def test_it_does_not_go_further_back_than_its_bound(
    queue: QueueService, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 20)
    queue.enqueue_many(range(50))
    while pace.shape(3600)["more"]:
        pass
    assert enqueued(pace) == 20
    said = pace.shape(86400)
    assert said["known_since"] > said["since"]
