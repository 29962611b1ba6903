from __future__ import annotations

import io
import logging
import math
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fuzz import hostile, raised
from _fuzz.hostile import Spite, identical
from sprag.queue import Job, PayloadError, QueueError, QueueService
from sprag.queue.options import OPTIONS
from sprag.queue.payload.codec import decode, encode
from tests.conftest import MakeQueue
from tests.support import DEADLINE, examples, finished, sql

# What their own code raises is theirs: sprag has to ask them.
UNASKABLE = {"dataclass that is touchy"}
LONGEST = 3000


def refusal(error: QueueError) -> str:
    """The sentence of a refusal, which must be one."""
    text = str(error)
    assert text
    assert len(text) < LONGEST
    return text


# ---------------------------------------------------------------- as items


@pytest.mark.parametrize("name", hostile.ODD)
def test_an_item_comes_back_or_is_refused_with_its_path(make_queue: MakeQueue, name: str) -> None:
    queue = make_queue()
    item = hostile.ODD[name]()
    job: Job | None = None
    refused: Exception | None = None
    try:
        job = queue.enqueue(item)
    except (PayloadError, Spite) as error:
        refused = error
    if job is None:
        assert isinstance(refused, PayloadError) == (name not in UNASKABLE)
        if isinstance(refused, PayloadError):
            refusal(refused)
            assert "item" in refused.path
        assert sum(queue.counts().values()) == 0
        return
    assert identical(queue.get(job.id).item, item)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms())
def test_any_value_comes_back_or_is_refused(rng: random.Random) -> None:
    value = hostile.value(rng)
    try:
        text = encode(value, 1024 * 1024)
    except PayloadError as error:
        refusal(error)
    else:
        assert identical(decode(text), value)


def test_a_time_that_python_would_read_as_another_is_refused() -> None:
    for value in (
        datetime(2030, 1, 1, tzinfo=timezone(timedelta(microseconds=-1))),
        datetime(2030, 1, 1, tzinfo=timezone(timedelta(microseconds=999_999))).timetz(),
    ):
        with pytest.raises(PayloadError, match="less than a second"):
            encode(value, 1000)


def test_the_field_that_was_never_set_is_named() -> None:
    with pytest.raises(PayloadError) as caught:
        encode([hostile.Unset(1)], 1000)
    assert caught.value.path == "item[0].y"


def test_an_id_of_a_job_that_python_cannot_read_is_taken(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    id_ = queue.enqueue(1).id
    deep = "[" * 900 + "]" * 900
    for n, item in enumerate((deep, "1" + "0" * 5000)):
        taken = f"{n}{id_[1:]}"
        sql(database, "INSERT INTO job (id, queue, item) VALUES (?, 'work', ?)", (taken, item))
        with pytest.raises(QueueError, match="exists already"):
            queue.enqueue(1, job_id=taken)


# ---------------------------------------------------------------- as results and exceptions


@pytest.fixture
def quiet() -> Iterator[None]:
    """What is logged goes to a handler as applications have it, which fails as theirs do."""
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("sprag")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    shown, logging.raiseExceptions = logging.raiseExceptions, False
    yield
    logging.raiseExceptions = shown
    logger.propagate = propagates
    logger.removeHandler(handler)


class Hostile(QueueService):
    name = "work"
    worker_count = 2

    def handle_item(self, item: Any) -> Any:
        match item:
            case ["raise", name]:
                raise raised.RAISED[name]()
            case ["return", name]:
                return hostile.ODD[name]()
            case "recurse":
                return self.handle_item(item)
            case _:
                return item


class HostileAwaited(Hostile):
    name = "awaited"

    async def handle_item(self, item: Any) -> Any:
        return Hostile.handle_item(self, item)


def workers(queue: QueueService) -> int:
    names = [thread.name for thread in threading.enumerate()]
    return sum(name.startswith(f"sprag-{queue.name}-") for name in names)


@pytest.mark.parametrize("kind", [Hostile, HostileAwaited])
@pytest.mark.usefixtures("quiet")
def test_no_worker_dies_of_what_a_handler_raises(
    make_queue: MakeQueue, kind: type[QueueService]
) -> None:
    with make_queue(kind) as queue:
        jobs = {name: queue.enqueue(["raise", name]) for name in raised.RAISED}
        for name, job in jobs.items():
            (ended,) = finished(queue, job)
            assert ended.status == "failed", name
            assert ended.error is not None
            assert ended.error.type, name
            assert len(ended.error.message) < LONGEST * 2
        assert finished(queue, queue.enqueue("next"))[0].status == "completed"
        assert workers(queue) == 2


@pytest.mark.usefixtures("quiet")
def test_an_exception_that_cannot_be_told_is_tried_again_like_any_other(
    make_queue: MakeQueue,
) -> None:
    with make_queue(Hostile, backoff=0, max_attempts=2) as queue:
        for name in ("no text", "its text exits", "a group 2,000 deep"):
            (ended,) = finished(queue, queue.enqueue(["raise", name]))
            assert (ended.status, ended.attempt) == ("failed", 2)


@pytest.mark.parametrize("kind", [Hostile, HostileAwaited])
@pytest.mark.usefixtures("quiet")
def test_no_worker_dies_of_what_a_handler_returns(
    make_queue: MakeQueue, kind: type[QueueService]
) -> None:
    with make_queue(kind) as queue:
        jobs = {name: queue.enqueue(["return", name]) for name in hostile.ODD}
        jobs["recurse"] = queue.enqueue("recurse")
        for name, job in jobs.items():
            (ended,) = finished(queue, job)
            if ended.status == "completed":
                continue
            assert ended.status == "failed", name
            assert ended.error is not None
            assert ended.error.message
        assert finished(queue, queue.enqueue("next"))[0].status == "completed"
        assert workers(queue) == 2


# ---------------------------------------------------------------- as options

BAD: list[Any] = [
    math.nan, math.inf, -math.inf, -1, 0, 2**31 + 1, 2**63, 10**400, 10**5000, -(10**5000), 1e300,
    "3", "", "\ud800", "\0", "a\nb", "x" * 10_000_000, True, b"x", [], {}, (), object(),
    hostile.NoRepr(), hostile.NoEquality(), hostile.Equal(), hostile.OtherInt(3),
    hostile.OtherStr("a"), hostile.Number.ONE, timedelta.max, timedelta(-1), timedelta.min,
    datetime(2030, 1, 1, tzinfo=hostile.OddZone()), datetime(2030, 1, 1, tzinfo=UTC).date(),
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), len, 1j,
]  # fmt: skip


def tried(use: Any, *also: type[Exception]) -> str | None:
    """It works, or it is refused in a sentence: that sentence."""
    try:
        use()
    except QueueError as error:
        return refusal(error)
    except also:
        pass
    return None


@pytest.mark.parametrize("index", range(len(BAD)))
def test_an_option_works_or_is_refused(make_queue: MakeQueue, index: int) -> None:
    bad = BAD[index]
    queue = make_queue()
    job = queue.enqueue("ended")
    queue.cancel(job.id)
    for option in ("delay", "run_at", "priority", "max_attempts", "backoff", "max_crashes",
                   "label", "audience"):  # fmt: skip
        before = sum(queue.counts().values())
        given: dict[str, Any] = {option: bad}
        said = tried(lambda given=given: queue.enqueue_many([1], **given))
        if said is not None:
            assert option in said.lower()
            assert sum(queue.counts().values()) == before
    tried(lambda: queue.enqueue(1, job_id=bad))
    for option in ("status", "limit", "after", "audience"):
        page: dict[str, Any] = {option: bad}
        tried(lambda page=page: queue.jobs(**page))
    tried(lambda: queue.wait(job.id, timeout=bad))
    tried(lambda: queue.prune(older_than=bad))
    tried(lambda: queue.prune(keep=bad))
    tried(lambda: queue.subscribe(bad).close())
    tried(lambda: queue.subscribe(len, bad).close())
    tried(lambda: queue.stop(bad))
    for name in OPTIONS:
        option_of: dict[str, Any] = {name: bad}
        # What a value says of its equality or its text is its own business.
        tried(lambda option_of=option_of: QueueService(**{"name": "a", **option_of}), Spite)


@pytest.mark.parametrize("path", ["x" * 5000, "\ud800", "\0", "", 5, None, b"x", hostile.NoRepr()])
def test_a_path_that_cannot_be_is_refused(make_queue: MakeQueue, path: Any, tmp_path: Path) -> None:
    where = tmp_path / path if isinstance(path, str) and path else path
    queue = make_queue()
    with pytest.raises(QueueError) as caught:
        queue.backup(where)
    assert "\n" not in str(caught.value)
    with pytest.raises(QueueError):
        QueueService(name="a", database=where).counts()
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.usefixtures("quiet")
def test_progress_of_any_kind_fails_its_job_or_is_stored(make_queue: MakeQueue) -> None:
    told = [
        (kind, n) for kind in ("current", "total", "percent", "message", "ratio")
        for n in range(len(BAD))
    ]  # fmt: skip

    def handler(self: QueueService, item: Any) -> str:
        kind, n = item
        said: dict[str, Any] = {"current": 1, "total": BAD[n]} if kind == "ratio" else {
            kind: BAD[n]
        }  # fmt: skip
        try:
            self.report_progress(**said)
        except (TypeError, ValueError) as error:
            return str(error)
        return "stored"

    with make_queue(handler) as queue:
        jobs = queue.enqueue_many(told)
        for job in jobs:
            ended = queue.wait(job.id, DEADLINE)
            assert ended.status == "completed", (job.item, ended.error)
            assert len(ended.result) < LONGEST
            progress = ended.progress
            if progress is not None and progress.percent is not None:
                assert 0 <= progress.percent <= 100
