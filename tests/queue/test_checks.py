"""What a caller may get wrong: each mistake is told where it is made, and stores nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Backoff, ConfigurationError, JobNotFound, QueueService
from tests.conftest import MakeQueue
from tests.support import named, queue_class

# ---------------------------------------------------------------- the description of a queue


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("worker_count", 0, "expected an integer from 1 to 1,000, got 0"),
        ("worker_count", -1, "expected an integer from 1 to 1,000, got -1"),
        ("worker_count", "4", "expected an integer from 1 to 1,000, got '4'"),
        ("worker_count", 10_000, "expected an integer from 1 to 1,000, got 10000"),
        ("worker_count", 1001, "got 1001"),
        ("worker_count", True, "got True"),
        ("worker_count", 4.0, r"got 4\.0"),
        ("worker_count", None, "got None"),
        ("max_attempts", 0, "expected an integer from 1"),
        ("max_attempts", -3, "got -3"),
        ("max_attempts", 2**63, "expected an integer from 1 to 1,000,000"),
        ("max_attempts", 1.5, r"got 1\.5"),
        ("max_attempts", True, "got True"),
        ("max_crashes", 0, "expected an integer from 1"),
        ("max_crashes", "3", "got '3'"),
        ("max_queued", 0, "expected an integer from 1"),
        ("max_queued", -1, "got -1"),
        ("max_queued", False, "got False"),
        ("max_queued", 2.0, r"got 2\.0"),
        ("max_payload_bytes", 0, "expected an integer from 1"),
        ("max_payload_bytes", 10**9, "expected an integer from 1 to 500,000,000"),
        ("max_payload_bytes", None, "got None"),
        ("backoff", "soon", "expected a Backoff, seconds, a timedelta, .* got 'soon'"),
        ("backoff", None, "expected a Backoff, seconds, .* got None"),
        ("backoff", -1, "not negative, got -1"),
        ("backoff", True, "got True"),
        ("backoff", timedelta(seconds=-1), "expected a Backoff"),
        ("durability", "FULL", 'expected "full" or "normal", got \'FULL\''),
        ("durability", None, "got None"),
        ("durability", ["full"], "got"),
        ("grace_seconds", -1, "expected seconds, a timedelta, or text .*, not negative, got -1"),
        ("grace_seconds", None, "got None"),
        ("grace_seconds", math.nan, "got nan"),
        ("grace_seconds", math.inf, "got inf"),
        ("grace_seconds", "1 s", "got '1 s'"),
        ("busy_seconds", -0.5, r"expected seconds, .* got -0\.5"),
        ("busy_seconds", True, "got True"),
        ("busy_seconds", 10**12, "expected seconds"),
        ("database", "", "expected the path of a file, got ''"),
        ("database", ":memory:", "expected the path of a file, got ':memory:'"),
        ("database", b"jobs.db", "expected the path of a file, got b'jobs.db'"),
        ("database", None, "got None"),
        ("database", 5, "got 5"),
        ("database", "a\0b", "expected the path of a file"),
        ("database", "a\udcffb", "expected the path of a file"),
        ("vfs", 5, "expected the name of an SQLite VFS or None, got 5"),
        ("open_flags", "1", "open_flags"),
        ("open_flags", -1, "open_flags"),
    ],
)
def test_an_option_that_cannot_work_is_refused_at_construction(
    tmp_path: Path, option: str, value: Any, told: str
) -> None:
    kind = queue_class()
    # As a constructor argument, and as an attribute of the class.
    with pytest.raises(ConfigurationError, match=told) as refusal:
        kind(**{"database": tmp_path / "jobs.db", option: value})
    assert option in str(refusal.value).lower()
    setattr(kind, option, value)
    others: dict[str, Any] = {} if option == "database" else {"database": tmp_path / "jobs.db"}
    with pytest.raises(ConfigurationError, match=told):
        kind(**others)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("worker_count", 1),
        ("worker_count", 1000),
        ("max_attempts", 10**6),
        ("max_crashes", 1),
        ("max_queued", None),
        ("max_queued", 1),
        ("max_payload_bytes", 1),
        ("max_payload_bytes", 500_000_000),
        ("backoff", 0),
        ("backoff", 1.5),
        ("backoff", Backoff(first=3)),
        ("durability", "normal"),
        ("grace_seconds", 0),
        ("grace_seconds", 3600),
        ("busy_seconds", 0.0),
        ("vfs", "unix"),
        ("open_flags", 0),
    ],
)
def test_the_ends_of_each_range_are_accepted(tmp_path: Path, option: str, value: Any) -> None:
    queue = queue_class()(**{"database": tmp_path / "jobs.db", option: value})
    assert getattr(queue, option) == value


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "the queue has no name; expected text such as"),
        (None, "has no name"),
        (5, "has no name"),
        (b"work", "has no name"),
        ("sprag", "are reserved"),
        ("SPRAG", "are reserved"),
        ("sprag:jobs", "are reserved"),
        ("Sprag:", "are reserved"),
        ("two words", "expected at most 100 letters, digits"),
        ("new\nline", "expected at most 100 letters, digits"),
        ("line\n", "expected at most 100 letters, digits"),
        ("a/b", "expected at most 100 letters, digits"),
        ("-a", "expected at most 100 letters, digits"),
        (".a", "expected at most 100 letters, digits"),
        ("ümläut", "expected at most 100 letters, digits"),
        ("a'; DROP TABLE job; --", "expected at most 100 letters, digits"),
        ("x" * 101, "expected at most 100 letters, digits"),
    ],
)
def test_a_name_that_is_missing_reserved_or_odd_is_refused(name: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        QueueService(name=name)
    with pytest.raises(ConfigurationError, match=told):
        queue_class(name=name)()


def test_a_class_without_a_name_says_how_to_give_one() -> None:
    class Nameless(QueueService):
        pass

    with pytest.raises(
        ConfigurationError, match=r'Nameless\.name: the queue has no name.* \(name = "thumbnails"\)'
    ):
        Nameless()


@pytest.mark.parametrize("name", ["a", "x" * 100, "image_processing", "a.b:c-d_e", "0", "spragger"])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    assert QueueService(name=name).name == name


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("worker_cont", "did you mean 'worker_count'"),
        ("workers", "did you mean 'worker_count'"),
        ("max_retries", "did you mean 'max_attempts'"),
        ("_engine", "expected name, database, worker_count"),
        ("handle_item", "expected name, database, worker_count"),
    ],
)
def test_an_unknown_option_is_told_with_the_one_that_was_meant(option: str, told: str) -> None:
    wrong: dict[str, Any] = {option: 4}
    with pytest.raises(
        ConfigurationError, match=rf"TestQueue\(\) has no option '{option}': {told}"
    ):
        queue_class()(**wrong)


def test_a_queue_without_a_handler_cannot_start(tmp_path: Path) -> None:
    queue = QueueService(name="work", database=tmp_path / "jobs.db")
    with pytest.raises(ConfigurationError, match="has no handle_item"):
        queue.start()
    with pytest.raises(ConfigurationError, match="has no handle_item"), queue:
        pass
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the options of a job


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"delay": -1}, "delay: expected seconds, .* not negative, got -1"),
        ({"delay": "soon"}, "delay: expected seconds"),
        ({"delay": math.nan}, "delay: expected seconds"),
        ({"delay": math.inf}, "delay: expected seconds"),
        ({"delay": True}, "delay: expected seconds"),
        ({"delay": timedelta(seconds=-1)}, "delay: expected seconds"),
        ({"delay": timedelta.max}, "delay"),
        ({"run_at": datetime(2030, 1, 1)}, "a datetime with a time zone"),  # noqa: DTZ001 - meant
        ({"run_at": "2030-01-01"}, "run_at: expected"),
        ({"run_at": -1}, "run_at: expected"),
        ({"run_at": math.nan}, "run_at: expected"),
        ({"run_at": True}, "run_at: expected"),
        ({"run_at": datetime(2030, 1, 1, tzinfo=UTC).date()}, "run_at: expected"),
        (
            {"delay": 1, "run_at": datetime(2100, 1, 1, tzinfo=UTC)},
            "expected delay= or run_at=, got both",
        ),
        ({"delay": 0, "run_at": 0}, "got both"),
        ({"priority": 1.0}, "priority: expected an integer"),
        ({"priority": "high"}, "priority: expected an integer"),
        ({"priority": None}, "priority: expected an integer"),
        ({"priority": True}, "priority: expected an integer"),
        (
            {"priority": 2**31 + 1},
            r"priority: expected an integer from -2,147,483,648 to 2,147,483,648, got 2147483649",
        ),
        ({"priority": -(2**31) - 1}, "priority: expected an integer"),
        ({"max_attempts": 0}, "max_attempts: expected an integer from 1"),
        ({"max_attempts": "2"}, "max_attempts: expected an integer"),
        ({"max_attempts": False}, "max_attempts: expected an integer"),
        ({"max_crashes": 0}, "max_crashes: expected an integer from 1"),
        ({"max_crashes": 2.5}, "max_crashes: expected an integer"),
        ({"backoff": "soon"}, "backoff: expected a Backoff, seconds"),
        ({"backoff": -1}, "backoff: expected a Backoff, .* got -1"),
        ({"label": 5}, "label: expected one line of printable text"),
        ({"label": b"x"}, "label: expected"),
        ({"label": "x" * 201}, "label: expected"),
        ({"label": "two\nlines"}, "label: expected"),
        ({"label": "\x1b[31mred"}, "label: expected"),
        ({"label": "\ud800"}, "label: expected"),
    ],
    ids=named,
)
def test_an_option_of_a_job_that_cannot_work_is_refused(
    make_queue: MakeQueue, options: dict[str, Any], told: str
) -> None:
    queue = make_queue()
    with pytest.raises(ConfigurationError, match=told):
        queue.enqueue(1, **options)
    with pytest.raises(ConfigurationError, match=told):
        queue.enqueue_many([1, 2], **options)
    assert sum(queue.counts().values()) == 0


@pytest.mark.parametrize(
    "job_id",
    ["", "mine", "a" * 31, "a" * 33, "A" * 32, "A" * 31 + " ", "a" * 31 + "\n", 5,
     b"a" * 32],
)  # fmt: skip
def test_a_job_id_of_another_shape_is_refused(make_queue: MakeQueue, job_id: Any) -> None:
    queue = make_queue()
    with pytest.raises(ConfigurationError, match="job_id: expected 32 hexadecimal digits"):
        queue.enqueue(1, job_id=job_id)
    assert sum(queue.counts().values()) == 0


# ---------------------------------------------------------------- looking up


UNKNOWN: list[Any] = ["0" * 32, "", "mine", "a" * 33, "A" * 32, None, 5, b"a" * 32, object(),
                      ["a"], "'; --", "\ud800", "a\0"]  # fmt: skip


@pytest.mark.parametrize("job_id", UNKNOWN, ids=named)
def test_an_unknown_id_is_not_found_everywhere(make_queue: MakeQueue, job_id: Any) -> None:
    queue = make_queue()
    queue.enqueue(1)
    for look in (queue.get, queue.history, queue.wait, queue.cancel, queue.requeue):
        with pytest.raises(JobNotFound) as refusal:
            look(job_id)
        assert refusal.value.job_id == job_id
        assert isinstance(refusal.value, LookupError)
    assert queue.counts()["queued"] == 1


def test_another_queue_s_job_is_not_found(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    theirs = other.enqueue(1)
    for look in (queue.get, queue.history, queue.wait, queue.cancel, queue.requeue):
        with pytest.raises(JobNotFound, match="in queue 'work'"):
            look(theirs.id)
    assert other.get(theirs.id).status == "queued"
    other.cancel(theirs.id)
    with pytest.raises(JobNotFound):
        queue.requeue(theirs.id)
    assert other.get(theirs.id).status == "cancelled"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"limit": 0}, "limit: expected an integer from 1 to 10,000, got 0"),
        ({"limit": -1}, "limit: expected"),
        ({"limit": 10_001}, "limit: expected"),
        ({"limit": "10"}, "limit: expected"),
        ({"limit": None}, "limit: expected"),
        ({"limit": True}, "limit: expected"),
        ({"after": ""}, "after: expected the `next` of a page, got ''"),
        ({"after": "x"}, "after: expected"),
        ({"after": "-1"}, "after: expected"),
        ({"after": "1.5"}, "after: expected"),
        ({"after": "٣"}, "after: expected"),
        ({"after": "9" * 19}, "after: expected"),
        ({"after": 5}, "after: expected"),
        ({"after": b"5"}, "after: expected"),
        ({"status": "done"}, "status: expected one or several of queued, running"),
        ({"status": "Failed"}, "status: expected"),
        ({"status": ""}, "status: expected"),
        ({"status": []}, "status: expected"),
        ({"status": ["failed", "done"]}, "status: expected"),
        ({"status": [None]}, "status: expected"),
        ({"status": [["failed"]]}, "status: expected"),
        ({"status": 5}, "status: expected"),
        ({"status": b"failed"}, "status: expected"),
    ],
)
def test_a_list_that_cannot_be_is_refused(
    make_queue: MakeQueue, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        make_queue().jobs(**options)


@pytest.mark.parametrize("timeout", [-1, "soon", math.nan, math.inf, True, Decimal(1)])
def test_a_timeout_that_is_no_duration_is_refused(make_queue: MakeQueue, timeout: Any) -> None:
    queue = make_queue()
    with pytest.raises(ConfigurationError, match="timeout: expected seconds"):
        queue.wait(queue.enqueue(1).id, timeout)


@pytest.mark.parametrize("grace", [-1, "soon", math.nan, True])
def test_a_grace_that_is_no_duration_is_refused(make_queue: MakeQueue, grace: Any) -> None:
    queue = make_queue().start()
    with pytest.raises(ConfigurationError, match="grace: expected seconds"):
        queue.stop(grace)
    # It goes on.
    assert queue.wait(queue.enqueue(1).id, 60).result == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "expected older_than=, keep= or both"),
        ({"keep": -1}, "keep: expected an integer from 0"),
        ({"keep": 1.0}, "keep: expected"),
        ({"keep": True}, "keep: expected"),
        ({"older_than": -1}, "older_than: expected seconds"),
        ({"older_than": "1 day"}, "older_than: expected seconds"),
        ({"older_than": timedelta(-1)}, "older_than: expected seconds"),
        ({"older_than": math.nan, "keep": 1}, "older_than: expected seconds"),
    ],
)
def test_a_prune_that_says_nothing_or_nonsense_is_refused(
    make_queue: MakeQueue, options: dict[str, Any], told: str
) -> None:
    queue = make_queue()
    queue.cancel(queue.enqueue(1).id)
    queue.enqueue(2)
    with pytest.raises(ConfigurationError, match=told):
        queue.prune(**options)
    assert queue.counts()["cancelled"] == 1


@pytest.mark.parametrize("after", [-1, 1.0, "0", True, 2**63])
def test_a_subscription_after_no_seq_is_refused(make_queue: MakeQueue, after: Any) -> None:
    with pytest.raises(ConfigurationError, match="after: expected an integer"):
        make_queue().subscribe(print, after)


@pytest.mark.parametrize("callback", [None, 5, "print"])
def test_a_callback_that_cannot_be_called_is_refused(make_queue: MakeQueue, callback: Any) -> None:
    with pytest.raises(ConfigurationError, match="callback: expected a callable"):
        make_queue().subscribe(callback)
